/** Our rings and libxdp's exported helpers on the same memory: each as producer and consumer to the other, and side by side. */
import fc from "fast-check";
import koffi from "koffi";
import { describe, expect, it } from "vitest";
import type { RingMemory } from "../../../src/ffi/xsk/layout.ts";
import {
  AddressConsumer,
  AddressProducer,
  DescriptorConsumer,
  DescriptorProducer,
} from "../../../src/ffi/xsk/rings.ts";

const library = koffi.load("libxdp.so.1");
const libxdp = {
  free: library.func("uint32_t xsk_prod_nb_free(void*, uint32_t)"),
  reserve: library.func("uint32_t xsk_ring_prod__reserve(void*, uint32_t, void*)"),
  submit: library.func("void xsk_ring_prod__submit(void*, uint32_t)"),
  available: library.func("uint32_t xsk_cons_nb_avail(void*, uint32_t)"),
  peek: library.func("uint32_t xsk_ring_cons__peek(void*, uint32_t, void*)"),
  release: library.func("void xsk_ring_cons__release(void*, uint32_t)"),
  fillAddress: library.func("void* xsk_ring_prod__fill_addr(void*, uint32_t)"),
  txDescriptor: library.func("void* xsk_ring_prod__tx_desc(void*, uint32_t)"),
  completedAddress: library.func("void* xsk_ring_cons__comp_addr(void*, uint32_t)"),
  rxDescriptor: library.func("void* xsk_ring_cons__rx_desc(void*, uint32_t)"),
  needsWakeup: library.func("int xsk_ring_prod__needs_wakeup(void*)"),
};
type Pointer = bigint;

const offsets = { producer: 0, consumer: 128, flags: 196, entries: 320 };

/** Native memory with a ring in it, and libxdp's two structs for its ends (`struct xsk_ring_prod`, `xsk_ring_cons`). */
class NativeRing implements Disposable {
  readonly memory: RingMemory;
  readonly producer: Pointer;
  readonly consumer: Pointer;
  readonly words: Int32Array;
  readonly #block: Pointer;

  constructor(start: number, size: number, entryBytes: number) {
    const bytes = offsets.entries + size * entryBytes;
    this.#block = koffi.alloc("uint8_t", bytes) as Pointer;
    this.memory = { buffer: koffi.view(this.#block, bytes), offsets, size };
    this.words = new Int32Array(this.memory.buffer);
    this.words[offsets.producer / 4] = start;
    this.words[offsets.consumer / 4] = start;
    this.producer = this.#end(start, start + size, size);
    this.consumer = this.#end(start, start, size);
  }

  /** cached_prod, cached_cons, mask, size, producer, consumer, ring, flags */
  #end(cachedProducer: number, cachedConsumer: number, size: number): Pointer {
    const end = koffi.alloc("uint8_t", 48) as Pointer;
    const view = new DataView(koffi.view(end, 48));
    const base = koffi.address(this.#block);
    view.setInt32(0, cachedProducer, true);
    view.setInt32(4, cachedConsumer, true);
    view.setUint32(8, size - 1, true);
    view.setUint32(12, size, true);
    for (const [at, offset] of [offsets.producer, offsets.consumer, offsets.entries, offsets.flags].entries())
      view.setBigUint64(16 + at * 8, base + BigInt(offset), true);
    return end;
  }

  [Symbol.dispose](): void {
    for (const block of [this.producer, this.consumer, this.#block]) koffi.free(block);
  }
}

const word = (at: Pointer, index: number): number =>
  new DataView(koffi.view(at, 16)).getUint32(index * 4, true);
const start = fc.oneof(
  fc.constantFrom(0, -1, -5, 0x7fff_ffff, 0x7fff_fffb, -0x8000_0000),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const size = fc.constantFrom(2, 8, 32);
const steps = fc.array(
  fc.tuple(fc.constantFrom("put", "take"), fc.integer({ min: 1, max: 40 }), fc.nat(0x7fff_ffff)),
  {
    maxLength: 40,
  },
);
const index = new Uint32Array(1);

describe("beside libxdp", () => {
  it("our producers fill rings that it reads", () => {
    fc.assert(
      fc.property(start, size, steps, fc.boolean(), (start, size, steps, descriptors) => {
        using ring = new NativeRing(start, size, descriptors ? 16 : 8);
        const ours = descriptors ? new DescriptorProducer(ring.memory) : new AddressProducer(ring.memory);
        const expected: number[] = [];
        for (const [kind, count, value] of steps) {
          if (kind === "put") {
            const room = ours.room(count);
            for (let at = 0; at < room; at++) {
              ours.write(at, value ^ at, at + 60);
              expected.push(value ^ at);
            }
            ours.submit(room);
            continue;
          }
          const got = libxdp.peek(ring.consumer, count, index) as number;
          expect(got > 0).toBe(expected.length > 0);
          for (let at = 0; at < got; at++) {
            const entry = (descriptors ? libxdp.rxDescriptor : libxdp.completedAddress)(
              ring.consumer,
              ((index[0] ?? 0) + at) >>> 0,
            );
            expect(word(entry as Pointer, 0)).toBe(expected.shift());
            expect(word(entry as Pointer, 1)).toBe(0);
          }
          libxdp.release(ring.consumer, got);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("our consumers read rings that it fills", () => {
    fc.assert(
      fc.property(start, size, steps, fc.boolean(), (start, size, steps, descriptors) => {
        using ring = new NativeRing(start, size, descriptors ? 16 : 8);
        const ours = descriptors ? new DescriptorConsumer(ring.memory) : new AddressConsumer(ring.memory);
        const expected: number[] = [];
        for (const [kind, count, value] of steps) {
          if (kind === "put") {
            const wanted = Math.min(count, size - expected.length);
            expect(libxdp.reserve(ring.producer, wanted, index)).toBe(wanted);
            for (let at = 0; at < wanted; at++) {
              const entry = (descriptors ? libxdp.txDescriptor : libxdp.fillAddress)(
                ring.producer,
                ((index[0] ?? 0) + at) >>> 0,
              );
              const view = new DataView(koffi.view(entry as Pointer, descriptors ? 16 : 8));
              view.setBigUint64(0, BigInt((value ^ at) >>> 0), true);
              if (descriptors) view.setUint32(8, at + 60, true);
              expected.push((value ^ at) >>> 0);
            }
            libxdp.submit(ring.producer, wanted);
            continue;
          }
          const got = ours.available(count);
          for (let at = 0; at < got; at++) {
            expect(ours.address(at)).toBe(expected.shift());
            if (ours instanceof DescriptorConsumer) expect(ours.lengthBytes(at)).toBeGreaterThanOrEqual(60);
          }
          ours.release(got);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("both count the same room and the same entries, step by step", () => {
    fc.assert(
      fc.property(start, size, steps, (start, size, steps) => {
        using ours = new NativeRing(start, size, 8);
        using theirs = new NativeRing(start, size, 8);
        const producer = new AddressProducer(ours.memory);
        const consumer = new AddressConsumer(ours.memory);
        for (const [kind, count, value] of steps) {
          if (kind === "put") {
            // libxdp tells all the room it knows of, ours at most what is wanted.
            const room = producer.room(count);
            expect(room).toBe(Math.min(count, libxdp.free(theirs.producer, count) as number));
            libxdp.reserve(theirs.producer, room, index);
            for (let at = 0; at < room; at++) {
              producer.write(at, value);
              const entry = libxdp.fillAddress(theirs.producer, ((index[0] ?? 0) + at) >>> 0) as Pointer;
              new DataView(koffi.view(entry, 8)).setBigUint64(0, BigInt(value >>> 0), true);
            }
            producer.submit(room);
            libxdp.submit(theirs.producer, room);
          } else {
            const got = consumer.available(count);
            expect(got).toBe(libxdp.available(theirs.consumer, count));
            libxdp.peek(theirs.consumer, got, index);
            consumer.release(got);
            libxdp.release(theirs.consumer, got);
          }
          expect(ours.words).toEqual(theirs.words);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("both see the need for a wake-up", () => {
    using ring = new NativeRing(0, 2, 8);
    const producer = new AddressProducer(ring.memory);
    for (const flags of [0, 1, 2, 3]) {
      ring.words[offsets.flags / 4] = flags;
      expect(producer.needsWakeup()).toBe(libxdp.needsWakeup(ring.producer) !== 0);
    }
  });
});
