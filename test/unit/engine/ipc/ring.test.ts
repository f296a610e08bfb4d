import fc from "fast-check";
import { crc32 as zlibCrc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createMemfd, SharedMapping } from "../../../../src/ffi/shm.ts";
import { crc32 } from "../../../../src/engine/ipc/crc32.ts";
import { RingConsumer } from "../../../../src/engine/ipc/ring-consumer.ts";
import {
  entryBytes,
  formatRing,
  headerBytes,
  headWord,
  payloadLimit,
  ringBytes,
  tailWord,
} from "../../../../src/engine/ipc/ring-layout.ts";
import { RingProducer } from "../../../../src/engine/ipc/ring-producer.ts";
import { AetherError } from "../../../../src/protocol/errors.ts";

const capacity = 4_096;

function makeRing(position = 0, capacityBytes = capacity) {
  const memory = new ArrayBuffer(ringBytes(capacityBytes));
  formatRing(memory, capacityBytes, position);
  return {
    memory,
    words: new Uint32Array(memory),
    positions: new BigInt64Array(memory, 0, 3),
    producer: new RingProducer(memory, capacityBytes, position),
    consumer: new RingConsumer(memory, capacityBytes, position),
  };
}

const code = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof AetherError ? error.code : `no error of ours: ${String(error)}`;
  }
  return "nothing was thrown";
};

/** Positions beyond 2^32 too: head and tail never wrap. */
const anyPosition = fc
  .oneof(fc.integer({ min: 0, max: 4_096 }), fc.constantFrom(2 ** 31 - 8, 2 ** 32 - 16, 2 ** 40, 2 ** 52))
  .map((value) => value - (value % 8));

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 900, maxLength: payloadLimit(capacity) }),
);

describe("ring", () => {
  test("behaves as a queue of payloads with the room that its layout says", () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: payload.map((bytes) => ({ write: bytes })) },
      { weight: 2, arbitrary: fc.constant({ write: null }) },
    );
    fc.assert(
      fc.property(anyPosition, fc.array(step, { maxLength: 200 }), (position, steps) => {
        const { producer, consumer } = makeRing(position);
        const model: { bytes: Uint8Array; end: number }[] = [];
        let head = position;
        let tail = position;
        for (const { write } of steps) {
          if (write === null) {
            const expected = model.shift();
            if (expected !== undefined) tail = expected.end;
            expect(consumer.tryRead()).toEqual(
              expected === undefined ? null : new Uint8Array(expected.bytes),
            );
            continue;
          }
          const needed = entryBytes(write.length);
          const toEnd = capacity - (head % capacity);
          const total = needed > toEnd ? toEnd + needed : needed;
          const fits = total <= capacity - (head - tail);
          expect(producer.tryWrite(write)).toBe(fits);
          if (fits) model.push({ bytes: write, end: (head += total) });
        }
        expect(producer.head).toBe(head);
        expect(producer.unread).toBe(head - tail);
      }),
      { numRuns: 300 },
    );
  });

  test("an empty ring takes the longest payload wherever it stands", () => {
    for (let position = 0; position < capacity; position += 8) {
      const { producer, consumer } = makeRing(position);
      const longest = new Uint8Array(payloadLimit(capacity)).fill(7);
      expect(producer.tryWrite(longest)).toBe(true);
      expect(consumer.tryRead()).toEqual(longest);
    }
  });

  test("says by code what it cannot do", () => {
    const { producer, consumer } = makeRing();
    expect(code(() => consumer.read())).toBe("AE_RING_EMPTY");
    expect(code(() => producer.write(new Uint8Array(payloadLimit(capacity) + 1)))).toBe(
      "AE_PAYLOAD_TOO_LARGE",
    );
    producer.write(new Uint8Array(payloadLimit(capacity)));
    producer.write(new Uint8Array(payloadLimit(capacity)));
    expect(code(() => producer.write(new Uint8Array(1)))).toBe("AE_RING_FULL");
    expect(consumer.read()).toHaveLength(payloadLimit(capacity));
  });

  test("writes the bytes of the layout, to the letter", () => {
    const { producer, memory } = makeRing();
    producer.write(Buffer.from("123456789"));
    const bytes = Buffer.from(memory);
    expect(bytes.readBigUInt64LE(0)).toBe(24n);
    expect(bytes.readBigUInt64LE(8)).toBe(0n);
    expect(bytes.readBigUInt64LE(16)).toBe(4096n);
    expect(bytes.readUInt32LE(24)).toBe(9);
    expect(bytes.readUInt32LE(28)).toBe(0xcbf43926);
    expect(bytes.subarray(32, 48)).toEqual(Buffer.from("123456789\0\0\0\0\0\0\0"));
  });

  test("a payload that changes after it was handed over is a wrong checksum, and the tail stands still", () => {
    const { producer, consumer, memory, positions } = makeRing();
    producer.write(Buffer.from("abcdefgh"));
    new Uint8Array(memory)[headerBytes + 8] = 0x7a;
    expect(code(() => consumer.tryRead())).toBe("AE_RING_CHECKSUM");
    expect(code(() => consumer.tryRead())).toBe("AE_RING_CHECKSUM");
    expect(positions[tailWord]).toBe(0n);
  });

  test.each([
    ["head before tail", (ring: ReturnType<typeof makeRing>) => (ring.positions[headWord] = -8n)],
    ["head beyond what fits", (ring: ReturnType<typeof makeRing>) => (ring.positions[headWord] = 4104n)],
    ["head off the grid", (ring: ReturnType<typeof makeRing>) => (ring.positions[headWord] = 17n)],
    [
      "head beyond all numbers",
      (ring: ReturnType<typeof makeRing>) => (ring.positions[headWord] = 2n ** 62n),
    ],
    ["len above the limit", (ring: ReturnType<typeof makeRing>) => (ring.words[headerBytes / 4] = 65_537)],
    ["len beyond head", (ring: ReturnType<typeof makeRing>) => (ring.words[headerBytes / 4] = 4_000)],
    [
      "a skip at the start",
      (ring: ReturnType<typeof makeRing>) => (ring.words[headerBytes / 4] = 0xffffffff),
    ],
  ])("hostile writer: %s", (_, spoil) => {
    const ring = makeRing();
    ring.producer.write(new Uint8Array(8));
    spoil(ring);
    expect(code(() => ring.consumer.tryRead())).toBe("AE_SHM_CORRUPTED");
    expect(ring.positions[tailWord]).toBe(0n);
  });

  test.each([
    ["tail beyond head", 32n],
    ["tail before its last value", -8n],
    ["tail off the grid", 9n],
  ])("hostile reader: %s", (_, tail) => {
    const ring = makeRing();
    for (let fill = 0; fill < 2; fill++) ring.producer.write(new Uint8Array(2_000));
    ring.producer.tryWrite(new Uint8Array(2_000));
    ring.positions[tailWord] = tail > 0n ? BigInt(ring.producer.head) + tail : tail;
    expect(code(() => ring.producer.write(new Uint8Array(2_000)))).toBe("AE_SHM_CORRUPTED");
  });

  test("the capacity in the header is believed by nobody", () => {
    const ring = makeRing();
    ring.positions[2] = 2n ** 40n;
    ring.producer.write(new Uint8Array(100));
    expect(ring.consumer.read()).toHaveLength(100);
    expect(code(() => new RingConsumer(ring.memory, 4_095))).toBe("AE_SHM_CORRUPTED");
    expect(code(() => new RingProducer(ring.memory, 8_192))).toBe("AE_SHM_CORRUPTED");
  });

  test("a peer that scribbles anywhere at any time causes typed errors and nothing else", () => {
    const legal = new Set(["AE_SHM_CORRUPTED", "AE_RING_CHECKSUM"]);
    const scribble = fc.record({
      // Headers and the first entries' headers more often than the rest.
      at: fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: ringBytes(capacity) / 4 - 1 })),
      value: fc.oneof(
        fc.nat(0xffffffff),
        fc.constantFrom(0xffffffff, 0xfffffff8, 65_536, 65_537, 4_096, 0x7fffffff, 0, 8, 16),
      ),
    });
    const step = fc.oneof(
      fc.record({ scribble }),
      fc.record({ write: fc.uint8Array({ maxLength: 600 }) }),
      fc.constant({ read: true }),
    );
    fc.assert(
      fc.property(anyPosition, fc.array(step, { maxLength: 60 }), (position, steps) => {
        const ring = makeRing(position);
        for (const each of steps) {
          try {
            if ("scribble" in each) ring.words[each.scribble.at] = each.scribble.value;
            else if ("write" in each) ring.producer.tryWrite(each.write);
            else ring.consumer.tryRead();
          } catch (error) {
            expect(error).toBeInstanceOf(AetherError);
            expect(legal).toContain((error as AetherError).code);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("crc32", () => {
  test("is that of zlib, for every length and alignment of a payload", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.nat({ max: 8 }), (bytes, words) => {
        const memory = new Uint8Array(4 * words + bytes.length + 8);
        memory.set(bytes, 4 * words);
        const view = new Uint32Array(memory.buffer, 0, memory.length >>> 2);
        expect(crc32(memory, view, 4 * words, bytes.length)).toBe(zlibCrc32(bytes));
      }),
    );
  });
});

describe("shared memory", () => {
  test("two mappings of one memfd are the same memory, and a closed one can be touched no more", () => {
    using fd = createMemfd("aether-test", 8_192);
    using first = SharedMapping.of(fd, 8_192);
    const second = SharedMapping.of(fd, 8_192);
    const views = [new Int32Array(first.memory), new Int32Array(second.memory)] as const;
    Atomics.store(views[0], 5, 42);
    expect(Atomics.load(views[1], 5)).toBe(42);
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(second.isOpen).toBe(false);
    expect(views[1]).toHaveLength(0);
    expect(() => Atomics.load(views[1], 5)).toThrow(TypeError);
  });

  test("its name has at most 249 bytes", () => {
    expect(code(() => createMemfd("n".repeat(250), 4_096))).toBe("AE_SHM_CREATE_FAILED");
  });
});
