/** The suite of all sockets on the simulator, and what only the simulator does. */
import { describe, expect, it } from "vitest";
import { DescriptorBatch, SimulatedDevice, XskBuilder } from "../../../src/xdp.ts";
import { readPcap, writePcap } from "../../../src/ffi/xsk/pcap.ts";
import "../../helpers/expose-gc.ts";
import { frameNumber, plainFrame } from "../../helpers/frames.ts";
import { describeBehaviour } from "../../helpers/xsk-behaviour.ts";

describe("sockets on the simulator", () => {
  describeBehaviour(async () => {
    const device = new SimulatedDevice();
    const out: Uint8Array[] = [];
    await Promise.resolve();
    return {
      builder: () => new XskBuilder("sim0").on(device),
      async send(frames) {
        for (const frame of frames) device.inject(frame);
        await Promise.resolve();
      },
      async received(count) {
        await expect
          .poll(
            () => {
              for (const queue of [0, 1]) out.push(...device.collectAll(queue));
              return out.length >= count;
            },
            { timeout: 10_000, interval: 1 },
          )
          .toBe(true);
        return out.splice(0, count);
      },
      async remove() {
        device.remove();
        await Promise.resolve();
      },
      async [Symbol.asyncDispose]() {
        await Promise.resolve();
      },
    };
  });
});

describe("the simulator", () => {
  it("loses packets on both ways as often as it is told, and the same ones with the same seed", async () => {
    const run = async (): Promise<number[][]> => {
      const device = new SimulatedDevice({ seed: 7 });
      using raw = await new XskBuilder("sim0").filter("everything").on(device).raw();
      device.setConditions({ receive: { lossPerMille: 300 }, transmit: { lossPerMille: 500 } });
      const batch = new DescriptorBatch(1000);
      const results = Array.from({ length: 1000 }, (_, number) => device.inject(plainFrame(number)));
      expect(raw.socket.receive(batch)).toBe(results.filter((result) => result === "received").length);
      raw.socket.send(batch);
      raw.socket.kick();
      return [
        results.flatMap((result, number) => (result === "lost" ? [number] : [])),
        [...device.collectAll()].map(frameNumber),
      ];
    };
    const [lost = [], sent = []] = await run();
    expect(lost.length).toBeGreaterThan(230);
    expect(lost.length).toBeLessThan(370);
    expect(sent.length).toBeGreaterThan(260);
    expect(sent.length).toBeLessThan(440);
    expect(await run()).toEqual([lost, sent]);
  });

  it("delays packets on both ways", async () => {
    const device = new SimulatedDevice();
    using raw = await new XskBuilder("sim0").filter("everything").on(device).raw();
    device.setConditions({ receive: { latencyMs: 30 }, transmit: { latencyMs: 30 } });
    const sentAt = performance.now();
    device.inject(plainFrame(1));
    expect(raw.socket.wait(0)).toBe(false);
    expect(await raw.socket.ready(5000)).toBe(true);
    const batch = new DescriptorBatch(1);
    raw.socket.receive(batch);
    raw.socket.send(batch);
    raw.socket.kick();
    expect(device.collect()).toBeNull();
    await expect.poll(() => device.collect()?.length, { timeout: 5000, interval: 1 }).toBe(60);
    // Timers of Node may fire up to a millisecond early.
    expect(performance.now() - sentAt).toBeGreaterThan(57);
  });

  it("waits with sending while nobody collects, and goes on when somebody does", async () => {
    const device = new SimulatedDevice({ wireBytes: 16_384 });
    using raw = await new XskBuilder("sim0").withoutProgram().on(device).raw();
    const batch = new DescriptorBatch(300);
    for (let number = 0; number < 300; number++) {
      const address = raw.socket.allocate();
      raw.socket.bytes.set(plainFrame(number), address);
      batch.add(address, 60);
    }
    expect(raw.socket.send(batch)).toBe(300);
    const numbers: number[] = [];
    let calls = 0;
    while (!raw.socket.kick()) {
      numbers.push(...[...device.collectAll()].map(frameNumber));
      calls += 1;
    }
    numbers.push(...[...device.collectAll()].map(frameNumber));
    expect(calls).toBeGreaterThan(0);
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, number) => number));
  });

  it("counts a descriptor that breaks the rules, and goes on", async () => {
    const device = new SimulatedDevice();
    using raw = await new XskBuilder("sim0").withoutProgram().on(device).raw();
    const { socket } = raw;
    for (const [offset, length] of [
      [2000, 100],
      [0, 0],
      [256, 60],
    ] as const) {
      socket.tx.room(1);
      socket.tx.write(0, offset, length);
      socket.tx.submit(1);
    }
    socket.kick();
    expect(socket.statistics().txInvalidDescriptors).toBe(2);
    expect([...device.collectAll()].length).toBe(1);
  });

  it("drops what does not fit a frame", async () => {
    const device = new SimulatedDevice();
    using raw = await new XskBuilder("sim0").filter("everything").headroom(128).on(device).raw();
    expect(device.inject(plainFrame(1, 2048 - 256 - 128))).toBe("received");
    expect(device.inject(plainFrame(1, 2048 - 256 - 128 + 1))).toBe("dropped");
    expect(raw.socket.statistics()).toMatchObject({ rxDropped: 1, rxFillRingEmpty: 0 });
  });

  it("replays and records pcap files", async () => {
    const device = new SimulatedDevice();
    await using engine = await new XskBuilder("sim0").filter("everything").on(device).engine();
    const file = writePcap(
      [1, 2, 3].map((number) => ({ atNs: BigInt(number), bytes: plainFrame(number), lengthBytes: 60 })),
    );
    for (const { bytes } of readPcap(file)) device.inject(bytes);
    let count = 0;
    await engine.run((batch) => {
      for (const packet of batch) packet.send();
      count += batch.length;
      if (count === 3) engine.stop();
    });
    const out = [...device.collectAll()].map((bytes, at) => ({
      atNs: BigInt(at + 1),
      bytes,
      lengthBytes: 60,
    }));
    expect(writePcap(out)).toEqual(file);
  });

  it("leaks no frame in very many packets", { timeout: 600_000 }, async () => {
    const total = Number(process.env["AETHER_XDP_PACKETS"] ?? 300_000);
    const device = new SimulatedDevice();
    await using engine = await new XskBuilder("sim0").filter("everything").frames(512).on(device).engine();
    const frame = plainFrame(1);
    let injected = 0;
    let collected = 0;
    let heapBefore = 0;
    const feed = (): void => {
      for (let at = 0; at < 64 && injected < total; at++)
        if (device.inject(frame) === "received") injected += 1;
      for (let packet = device.collect(); packet !== null; packet = device.collect()) collected += 1;
      if (heapBefore === 0 && injected > total / 4) heapBefore = process.memoryUsage().heapUsed;
    };
    let received = 0;
    feed();
    await engine.run((batch) => {
      received += batch.length;
      for (const packet of batch) if ((packet.u32(14) + received) % 3 !== 0) packet.send();
      feed();
      if (received >= total) engine.stop();
    });
    feed();
    expect(received).toBe(total);
    const { sent, dropped, unsent } = engine.counters();
    expect(sent + dropped).toBe(total);
    expect(unsent).toBe(0);
    expect(collected).toBe(sent);
    const { free, fill, tx, rx, user } = engine.frameCounts();
    expect({ rx, user, sum: free + fill + tx }).toEqual({ rx: 0, user: 0, sum: 512 });
    globalThis.gc?.();
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(16 * 1024 * 1024);
  });
});
