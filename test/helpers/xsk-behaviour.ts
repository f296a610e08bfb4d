/** What sockets do, whatever they stand on. One suite: unit/xsk/simulator.test.ts and integration/xsk.test.ts run it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { attachSocket, DescriptorBatch, place } from "../../src/xdp.ts";
import type { Packet, PacketRef, XskBuilder, XskEngine } from "../../src/xdp.ts";
import { frameNumber, plainFrame, udpFrame } from "./frames.ts";

/** A device under test and its other end. */
export interface TestLink extends AsyncDisposable {
  /** Sockets on the device. */
  builder(): XskBuilder;
  /** Frames arrive at the device, in this order. */
  send(frames: readonly Uint8Array[]): Promise<void>;
  /** Frames that the device has sent: waits for as many, with a limit. */
  received(count: number): Promise<Uint8Array[]>;
  remove(): Promise<void>;
}

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, at) => from + at);
const limitMs = 10_000;

/** What a promise fails with, taken hold of at once. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}

/** Runs an engine until something holds. */
async function until(engine: XskEngine, holds: () => boolean): Promise<void> {
  try {
    await expect.poll(holds, { timeout: limitMs, interval: 2 }).toBe(true);
  } finally {
    engine.stop();
  }
}

export function describeBehaviour(open: () => Promise<TestLink>): void {
  let link: TestLink;
  beforeEach(async () => {
    link = await open();
  });
  afterEach(async () => {
    await link[Symbol.asyncDispose]();
  });

  const all = (): XskBuilder => link.builder().filter("everything").debug();

  describe("an engine", () => {
    it("gets what arrives in order, and sends what it is told to", async () => {
      await using engine = await all().engine();
      const seen: number[] = [];
      const running = engine.run((batch) => {
        for (const packet of batch) {
          seen.push(packet.u32(14));
          packet.setU8(18, 0xee);
          if (packet.u32(14) % 2 === 0) packet.send();
        }
      });
      await link.send(range(500).map((number) => plainFrame(number)));
      await until(engine, () => seen.length === 500);
      await running;
      expect(seen).toEqual(range(500));
      const out = await link.received(250);
      expect(out.map(frameNumber)).toEqual(range(250).map((number) => number * 2));
      for (const frame of out) {
        const expected = plainFrame(frameNumber(frame));
        expected[18] = 0xee;
        expect(frame).toEqual(expected);
      }
      expect(engine.counters()).toMatchObject({ received: 500, sent: 250, dropped: 250, kept: 0, unsent: 0 });
      const { rx, user, ...rest } = engine.frameCounts();
      expect({ rx, user }).toEqual({ rx: 0, user: 0 });
      expect(rest.free + rest.fill + rest.tx).toBe(4096);
    });

    it("sends bytes put before and taken after a packet, and packets of its own", async () => {
      await using engine = await all().engine();
      let done = false;
      const running = engine.run((batch) => {
        for (const packet of batch) {
          const longer =
            packet.u32(14) === 0 ? packet.adjustHead(-4) && packet.adjustTail(10) : packet.adjustTail(-20);
          expect(longer).toBe(true);
          if (packet.length === 74) packet.data.copyWithin(0, 4, 18);
          packet.send();
        }
        const own = batch.create(100);
        own?.write(plainFrame(99, 100));
        own?.send();
        done = batch.length > 0;
      });
      await link.send([plainFrame(0)]);
      await until(engine, () => done);
      await running;
      const [first, own] = await link.received(2);
      expect(first?.length).toBe(74);
      expect(first?.subarray(0, 14)).toEqual(plainFrame(0).subarray(0, 14));
      expect(first?.subarray(18, 64)).toEqual(plainFrame(0).subarray(14));
      expect(own).toEqual(plainFrame(99, 100));
    });

    it.each<[string, (builder: XskBuilder) => XskBuilder]>([
      ["without need-wakeup", (builder) => builder.needWakeup(false)],
      ["attached in the stack", (builder) => builder.attach("generic")],
      ["attached in the driver", (builder) => builder.attach("native")],
      ["with large frames and headroom", (builder) => builder.frameSize(4096).headroom(128).mode("copy")],
      [
        "with the smallest rings",
        (builder) => builder.rings({ rx: 64, tx: 64, fill: 64, completion: 64 }).frames(128),
      ],
    ])("works %s", async (_name, change) => {
      await using engine = await change(all()).engine();
      const running = engine.run((batch) => {
        for (const packet of batch) {
          // As far to the front as there is room, and back.
          const room = packet.adjustHead(-256) ? 256 : 0;
          packet.adjustHead(room);
          packet.send();
        }
      });
      const frames = range(50).map((number) => plainFrame(number, 1400));
      await link.send(frames);
      expect(await link.received(50)).toEqual(frames);
      engine.stop();
      await running;
      expect(engine.counters()).toMatchObject({ received: 50, sent: 50, unsent: 0 });
    });

    it("ends packets with their callback, and headers taken from them", async () => {
      await using engine = await all().engine();
      const kept: PacketRef[] = [];
      const running = engine.run((batch) => {
        for (const packet of batch) {
          kept.push(packet);
          packet.ethernet();
        }
      });
      await link.send([plainFrame(1), plainFrame(2)]);
      await until(engine, () => kept.length === 2);
      await running;
      for (const packet of kept) {
        expect(() => packet.data).toThrow("after it was given up");
        expect(() => packet.send()).toThrow("after it was given up");
      }
    });

    it("lets go of packets that are detached, until they are released", async () => {
      await using engine = await all().engine();
      const kept: Packet[] = [];
      const running = engine.run((batch) => {
        for (const packet of batch) kept.push(packet.detach());
      });
      await link.send(range(10).map((number) => plainFrame(number)));
      await until(engine, () => kept.length === 10);
      await running;
      expect(kept.map((packet) => packet.u32(14))).toEqual(range(10));
      expect(engine.frameCounts().user).toBe(10);
      for (const packet of kept) packet.release();
      for (const packet of kept) packet.release();
      expect(engine.frameCounts().user).toBe(0);
      expect(() => kept[0]?.length).toThrow("after it was given up");
    });

    it("ends with what the callback throws, and keeps all frames", async () => {
      await using engine = await all().engine();
      const running = engine.run(() => {
        throw new Error("a defect of the user");
      });
      const failed = failureOf(running);
      await link.send([plainFrame(1)]);
      expect(await failed).toMatchObject({ code: "AE_XSK_CALLBACK_FAILED", why: "a defect of the user" });
      const counts = engine.frameCounts();
      expect(counts.free + counts.fill).toBe(4096);
    });

    it("refuses an async callback", async () => {
      await using engine = await all().engine();
      // oxlint-disable-next-line typescript/no-misused-promises -- what must not be done
      const running = engine.run(async () => await Promise.resolve());
      const failed = failureOf(running);
      await link.send([plainFrame(1)]);
      expect(await failed).toMatchObject({ code: "AE_XSK_CALLBACK_FAILED" });
    });

    it("runs timers of its thread while packets come, by every poller", async () => {
      for (const poller of ["busy", "blocking", "adaptive"] as const) {
        await using engine = await all().poller(poller).engine();
        let ticks = 0;
        let packets = 0;
        const timer = setInterval(() => (ticks += 1), 1);
        const running = engine.run((batch) => void (packets += batch.length));
        await link.send(range(50).map((number) => plainFrame(number)));
        await until(engine, () => packets === 50 && ticks > 3);
        await running;
        clearInterval(timer);
        expect(packets).toBe(50);
      }
    });

    it.each(["busy", "blocking", "adaptive"] as const)("works in a worker of its own, %s", async (poller) => {
      const folder = mkdtempSync(join(tmpdir(), "aether-xdp-"));
      try {
        writeFileSync(
          join(folder, "echo.mjs"),
          "export function onBatch(batch) { for (const packet of batch) { packet.setU8(18, 7); packet.send(); } }",
        );
        await using engine = await link.builder().filter("everything").poller(poller).engine();
        const running = engine.run(pathToFileURL(join(folder, "echo.mjs")));
        await link.send(range(300).map((number) => plainFrame(number)));
        const out = await link.received(300);
        expect(out.map(frameNumber)).toEqual(range(300));
        expect(out.every((frame) => frame[18] === 7)).toBe(true);
        engine.stop();
        await running;
        expect(engine.counters()).toMatchObject({ received: 300, sent: 300 });
        const { free, fill, tx } = engine.frameCounts();
        expect(free + fill + tx).toBe(4096);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it("ends a worker whose callback does not return, and the queue is free again", async () => {
      const folder = mkdtempSync(join(tmpdir(), "aether-xdp-"));
      try {
        writeFileSync(
          join(folder, "stuck.mjs"),
          "export function onBatch(batch) { batch.at(0).send(); for (;;); }",
        );
        const engine = await link.builder().filter("everything").queues(0, 1).engine();
        const ended = failureOf(engine.run(join(folder, "stuck.mjs")));
        await link.send([plainFrame(1)]);
        await expect.poll(() => engine.frameCounts().rx, { timeout: limitMs }).toBe(1);
        await engine[Symbol.asyncDispose]();
        expect(await ended).toMatchObject({ code: "AE_XSK_CALLBACK_FAILED" });
        using again = await link.builder().filter("everything").queues(0, 1).raw();
        expect(again.sockets.length).toBe(2);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it("serves several queues in one worker", async () => {
      const folder = mkdtempSync(join(tmpdir(), "aether-xdp-"));
      try {
        writeFileSync(
          join(folder, "echo.mjs"),
          "export function onBatch(batch) { for (const packet of batch) packet.send(); }",
        );
        await using engine = await link.builder().filter("everything").queues(0, 1).engine();
        const running = engine.run(join(folder, "echo.mjs"));
        await link.send(range(200).map((number) => plainFrame(number)));
        expect((await link.received(200)).map(frameNumber)).toEqual(range(200));
        engine.stop();
        await running;
        const { free, fill, tx, rx, user } = engine.frameCounts();
        expect({ rx, user, sum: free + fill + tx }).toEqual({ rx: 0, user: 0, sum: 8192 });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it("says what is wrong with a module", async () => {
      await using engine = await all().engine();
      await expect(engine.run("/nowhere/none.mjs")).rejects.toMatchObject({ code: "AE_XSK_CALLBACK_FAILED" });
      await expect(engine.run(() => undefined)).rejects.toMatchObject({ code: "AE_XSK_CLOSED" });
    });

    it("ends when the device goes", async () => {
      await using engine = await all().engine();
      const running = engine.run(() => undefined);
      const failed = failureOf(running);
      await link.remove();
      expect(await failed).toMatchObject({ code: "AE_XSK_DEVICE_GONE" });
    });

    it("can be closed while it runs, with packets in flight", async () => {
      const engine = await all().engine();
      let packets = 0;
      const running = engine.run((batch) => {
        packets += batch.length;
        for (const packet of batch) packet.send();
      });
      await link.send(range(200).map((number) => plainFrame(number)));
      await expect.poll(() => packets > 0, { timeout: limitMs, interval: 1 }).toBe(true);
      await link.send(range(200).map((number) => plainFrame(number)));
      await engine[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await running;
      await expect(engine.run(() => undefined)).rejects.toMatchObject({ code: "AE_XSK_CLOSED" });
    });

    it("takes only what the filter names, which can be changed at any time", async () => {
      await using engine = await link
        .builder()
        .filter({ protocols: ["udp"], ports: [7] })
        .debug()
        .engine();
      const ports: number[] = [];
      const running = engine.run((batch) => {
        for (const packet of batch) ports.push(packet.udp()?.destinationPort ?? 0);
      });
      await link.send([udpFrame(8, [1]), udpFrame(7, [1]), plainFrame(1), udpFrame(7, [2])]);
      await expect.poll(() => ports.length, { timeout: limitMs }).toBe(2);
      engine.setFilter({ addresses: ["10.1.0.2"], ports: [9, 10] });
      await link.send([
        udpFrame(7, [1]),
        udpFrame(9, [1]),
        udpFrame(9, [1], { destination: "10.1.0.3" }),
        udpFrame(10, [1]),
      ]);
      await until(engine, () => ports.length === 4);
      await running;
      expect(ports).toEqual([7, 7, 9, 10]);
    });
  });

  describe("raw sockets", () => {
    it("lose packets when no frame is on the fill ring, and go on when there is", async () => {
      using raw = await link.builder().filter("everything").frames(32).raw();
      const { socket } = raw;
      const batch = new DescriptorBatch(64);
      await link.send(range(20).map((number) => plainFrame(number)));
      await expect.poll(() => socket.statistics().rxDropped, { timeout: limitMs }).toBe(4);
      expect(socket.statistics().rxFillRingEmpty).toBeGreaterThan(0);
      expect(socket.receive(batch)).toBe(16);
      expect(raw.frameCounts()).toEqual({ free: 16, fill: 0, rx: 16, tx: 0, user: 0 });
      for (let at = 0; at < batch.count; at++) socket.drop(batch.addresses[at] ?? 0);
      expect(socket.refill()).toBe(16);
      await link.send([plainFrame(77)]);
      expect(await socket.ready(limitMs)).toBe(true);
      expect(socket.receive(batch)).toBe(1);
      expect(socket.memory.getUint32((batch.addresses[0] ?? 0) + 14)).toBe(77);
    });

    it("lose packets when the rx ring is full", async () => {
      using raw = await link.builder().filter("everything").rings({ rx: 8 }).batch(8).raw();
      await link.send(range(12).map((number) => plainFrame(number)));
      await expect.poll(() => raw.socket.statistics().rxRingFull, { timeout: limitMs }).toBe(4);
      const batch = new DescriptorBatch(64);
      expect(raw.socket.receive(batch)).toBe(8);
    });

    it("send more than the kernel takes at once, and as much as the ring holds", async () => {
      using raw = await link.builder().withoutProgram().rings({ tx: 256 }).raw();
      const { socket } = raw;
      const batch = new DescriptorBatch(512);
      for (const number of range(300)) {
        const address = socket.allocate();
        const frame = plainFrame(number);
        socket.bytes.set(frame, address);
        batch.add(address, frame.length);
      }
      expect(socket.send(batch)).toBe(256);
      expect(socket.send(batch, 256)).toBe(0);
      expect(socket.kick()).toBe(true);
      expect(socket.send(batch, 256)).toBe(44);
      expect(socket.kick()).toBe(true);
      expect((await link.received(300)).map(frameNumber)).toEqual(range(300));
      await expect
        .poll(
          () => {
            socket.reclaim();
            return raw.frameCounts().tx;
          },
          { timeout: limitMs },
        )
        .toBe(0);
    });

    it("report by the clock when nothing comes", async () => {
      using raw = await link.builder().filter("everything").raw();
      expect(raw.socket.wait(0)).toBe(false);
      expect(await raw.socket.ready(1)).toBe(false);
      expect(raw.socket.wait(1)).toBe(false);
      await link.send([plainFrame(1)]);
      expect(await raw.socket.ready(limitMs)).toBe(true);
      expect(raw.socket.wait(limitMs)).toBe(true);
    });

    it("can be handed over, and closed in either order", async () => {
      for (const ownerFirst of [true, false]) {
        const raw = await link.builder().filter("everything").raw();
        const { socket } = raw;
        const handle = structuredClone(socket.handOver());
        expect(() => socket.refill()).toThrow("handed to another thread");
        const taken = await attachSocket(handle);
        await link.send([plainFrame(5)]);
        expect(await taken.ready(limitMs)).toBe(true);
        const batch = new DescriptorBatch(4);
        expect(taken.receive(batch)).toBe(1);
        expect(taken.memory.getUint32((batch.addresses[0] ?? 0) + 14)).toBe(5);
        taken.drop(batch.addresses[0] ?? 0);
        if (ownerFirst) raw[Symbol.dispose]();
        expect(taken.frames.counts().rx).toBe(0);
        taken[Symbol.dispose]();
        taken[Symbol.dispose]();
        expect(() => taken.reclaim()).toThrow("it was closed");
        raw[Symbol.dispose]();
      }
    });

    it("share the frames between queues", async () => {
      using raw = await link.builder().filter("everything").queues(0, 1).raw();
      expect(raw.sockets.map((socket) => socket.queue)).toEqual([0, 1]);
      expect(raw.frameCounts()).toEqual({ free: 4096, fill: 4096, rx: 0, tx: 0, user: 0 });
      const batch = new DescriptorBatch(1);
      for (const [at, socket] of raw.sockets.entries()) {
        const address = socket.allocate();
        socket.bytes.set(plainFrame(at), address);
        batch.count = 0;
        batch.add(address, 60);
        expect(socket.send(batch)).toBe(1);
        expect(socket.kick()).toBe(true);
      }
      await expect
        .poll(() => raw.sockets.map((socket) => socket.reclaim()).length, { timeout: limitMs })
        .toBe(2);
    });

    it("refuse a frame that is not where it is said to be", async () => {
      using raw = await link.builder().filter("everything").raw();
      const address = raw.socket.allocate();
      raw.socket.drop(address);
      expect(() => raw.socket.drop(address)).toThrow("is not where it should be");
      const batch = new DescriptorBatch(1);
      batch.add(address, 60);
      expect(() => raw.socket.send(batch)).toThrow("it is free, not rx");
      expect(() => raw.socket.drop(address, place.user)).toThrow("it is free, not user");
    });

    it("tell that a queue is taken, and get it when it is free again", async () => {
      const first = await link.builder().filter("everything").raw();
      const second = link.builder().withoutProgram().bindTimeout(20);
      await expect(second.raw()).rejects.toMatchObject({ code: "AE_XSK_QUEUE_BUSY", problem: "QueueBusy" });
      first[Symbol.dispose]();
      using again = await link.builder().filter("everything").raw();
      expect(again.isOpen).toBe(true);
    });

    it("tell what the device has not", async () => {
      await expect(link.builder().withoutProgram().queue(77).raw()).rejects.toMatchObject({
        code: "AE_XSK_NO_DEVICE",
      });
      await expect(link.builder().withoutProgram().mode("zerocopy").raw()).rejects.toMatchObject({
        code: "AE_XSK_UNSUPPORTED",
      });
      using raw = await link.builder().withoutProgram().raw();
      expect(() => raw.setFilter("everything")).toThrow("filter");
    });
  });

  describe("a system", () => {
    it("gives packets to own, and sends them by several senders", async () => {
      await using system = await all().system();
      const [one, two] = [system.sender(), system.sender()];
      const reading = (async () => {
        let count = 0;
        for await (const batch of system.batches()) {
          for (const packet of batch) {
            packet.setU8(18, count % 2 === 0 ? 1 : 2);
            expect((count % 2 === 0 ? one : two).send(packet)).toBe(true);
            count += 1;
          }
          if (count === 400) break;
        }
      })();
      await link.send(range(400).map((number) => plainFrame(number)));
      await reading;
      const out = await link.received(400);
      expect(out.map((frame) => frame[18])).toEqual(range(400).map((number) => (number % 2) + 1));
      expect([one.sent, two.sent]).toEqual([200, 200]);
      expect(system.frameCounts().user).toBe(0);
    });

    it("makes packets, and says when there is no room or frame", async () => {
      await using system = await link.builder().withoutProgram().frames(8).rings({ tx: 2 }).batch(2).system();
      const sender = system.sender();
      expect(system.create(4096)).toBeNull();
      const packets = range(4).map(() => system.create(60));
      expect(system.create(60)).toBeNull();
      for (const [at, packet] of packets.entries()) packet?.write(plainFrame(at));
      for (const packet of packets) {
        expect(await sender.room(limitMs)).toBe(true);
        expect(packet === null ? false : sender.send(packet)).toBe(true);
        expect(() => packet?.length).toThrow("after it was given up");
      }
      expect((await link.received(4)).map(frameNumber)).toEqual(range(4));
      await expect.poll(() => system.create(14), { timeout: limitMs }).not.toBeNull();
    });

    it("ends its readers when it is closed, and when the device goes", async () => {
      const system = await all().system();
      const reading = (async () => {
        const batches = [];
        for await (const batch of system.batches()) batches.push(batch);
        return batches;
      })();
      await system[Symbol.asyncDispose]();
      expect(await reading).toEqual([]);
      expect(() => system.create(60)).toThrow("after it was closed");
      await using other = await all().system();
      const failing = (async () => {
        for await (const batch of other.batches()) expect(batch).toEqual([]);
      })();
      const failed = failureOf(failing);
      await link.remove();
      expect(await failed).toMatchObject({ code: "AE_XSK_DEVICE_GONE" });
    });

    it("recovers packets that are thrown away, and says so", async () => {
      const leaked: number[] = [];
      await using system = await all().system({ onLeak: (frame) => leaked.push(frame) });
      const throwAway = async (): Promise<void> => {
        for await (const batch of system.batches()) {
          expect(batch.length).toBeGreaterThan(0);
          if (system.frameCounts().user === 0) continue;
          return;
        }
      };
      const thrown = throwAway();
      await link.send([plainFrame(1)]);
      await thrown;
      expect(system.frameCounts().user).toBe(1);
      const collect = globalThis.gc;
      if (collect === undefined) throw new Error("the suite needs --expose-gc");
      await expect
        .poll(
          () => {
            collect();
            return leaked.length;
          },
          { timeout: limitMs },
        )
        .toBe(1);
      expect(system.leaks).toBe(1);
      expect(system.frameCounts().user).toBe(0);
    });
  });
}
