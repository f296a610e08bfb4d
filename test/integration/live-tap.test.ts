/** The tap of a console: bounded whatever passes, and gone with its reader. */
import { createSocket } from "node:dgram";
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runLiveTap } from "../../src/engine/tap/live-tap.ts";
import { maxTappedLines } from "../../src/protocol/tap.ts";
import type { TapMessage } from "../../src/protocol/tap.ts";
import { freePort } from "../helpers/engine.ts";

const missing = process.getuid?.() === 0 ? null : "no root";

describe.skipIf(missing !== null)(`a live tap${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  it(
    "takes a bounded number of a flood, counts the rest, and leaves no descriptor",
    { timeout: 30_000 },
    async () => {
      const port = await freePort();
      const before = readdirSync("/proc/self/fd").length;
      const stop = new AbortController();
      const messages: TapMessage[] = [];
      const tap = runLiveTap({ port, interface: null }, stop.signal, async (message) => {
        messages.push(message);
        await Promise.resolve();
      });
      const sender = createSocket("udp4");
      const send = (): Promise<void> =>
        new Promise((resolve) => sender.send(Buffer.alloc(200), port, "127.0.0.1", () => resolve()));
      for (let burst = 0; burst < 20; burst += 1)
        await Promise.all(Array.from({ length: 250 }, async () => await send()));
      await expect.poll(() => messages.at(-1)?.dropped ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
      stop.abort();
      await tap;
      sender.close();
      for (const { packets } of messages) expect(packets.length).toBeLessThanOrEqual(maxTappedLines);
      const lines = messages.flatMap(({ packets }) => packets);
      expect(lines.length).toBeLessThan(5_000);
      expect(lines.every(({ summary }) => summary.includes(`:${port} UDP 200 bytes`))).toBe(true);
      expect(lines.map(({ atMs }) => atMs)).toEqual(lines.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
      await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
    },
  );

  it("ends at once when its reader has left already", async () => {
    const gone = AbortSignal.abort();
    await runLiveTap({ port: 1, interface: null }, gone, () => Promise.resolve());
    expect(gone.aborted).toBe(true);
  });

  it("an interface that there is not is told", async () => {
    const tap = runLiveTap({ port: 1, interface: "nosuch0" }, AbortSignal.timeout(5_000), () =>
      Promise.resolve(),
    );
    await expect(tap).rejects.toMatchObject({ code: "AE_XSK_NO_DEVICE" });
  });
});
