import { execFileSync } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "../../../helpers/engine.ts";
import { RingHandler } from "../../../helpers/ring-handler.ts";

/** Messages each way and peer; AETHER_TEST_MESSAGES=5000000 is the long run. */
const messages = Number(process.env["AETHER_TEST_MESSAGES"] ?? 20_000);
const timeoutMs = Math.max(30_000, messages / 2);
const folder = mkdtempSync(join(tmpdir(), "aether-ring-"));
const echoC = join(folder, "echo");

beforeAll(() => {
  const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", `-I${repository}sdk/c`];
  execFileSync("cc", [...flags, `${repository}test/ring/echo.c`, "-o", echoC]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const peers: readonly [string, readonly [string, ...string[]]][] = [
  ["C", [echoC]],
  ["Python", ["/usr/bin/python3", `${repository}test/ring/handlers.py`, "echo"]],
  ["Node", [process.execPath, `${repository}test/ring/handlers.mjs`, "echo"]],
];

/** A payload whose bytes depend on its number: a doubled, lost or torn one does not look right. */
function payload(number: number, bytes: number): Buffer {
  const seed = createHash("sha256").update(String(number)).digest();
  const body = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += seed.length) seed.copy(body, at);
  if (bytes >= 8) body.writeDoubleLE(number, 0);
  return body;
}

describe.each(peers)("a peer in %s", (language, command) => {
  test(
    `${messages} messages of all sizes come back, each once and whole`,
    async () => {
      await using handler = new RingHandler({ command, capacityBytes: 65_536, position: 2 ** 32 - 4_096 });
      const limit = language === "C" ? 32_768 - 8 - 15 : 80_000;
      let sent = 0;
      let bad = 0;
      const one = async (): Promise<void> => {
        while (sent < messages) {
          const number = sent++;
          const kind = number % 100;
          const bytes = kind === 0 ? randomInt(limit) : kind < 10 ? randomInt(2_000) : randomInt(80);
          const body = payload(number, bytes);
          const back = await handler.raw(body, 20_000);
          if (!body.equals(back)) bad += 1;
        }
      };
      // Enough at once to fill both rings now and then.
      await Promise.all(Array.from({ length: 32 }, one));
      expect(bad).toBe(0);
      expect(handler.failure).toBeNull();
      expect(handler.link.stand).not.toBeNull();
      expect(handler.output).toBe("");
    },
    timeoutMs,
  );

  test("takes no processor time while there is nothing to do", async () => {
    await using handler = new RingHandler({ command });
    await handler.raw(Buffer.from("hello"));
    const ticks = (): number => {
      const stat = execFileSync("cat", [`/proc/${handler.child.pid ?? 0}/stat`], { encoding: "utf8" });
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    };
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = ticks();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(ticks() - before).toBeLessThan(5);
    expect(handler.link.stand).not.toBeNull();
  });
});
