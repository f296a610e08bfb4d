/** The arithmetic of rings: against a plain queue, from any start, across the wrap of 32 bits. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RingMemory } from "../../../src/ffi/xsk/layout.ts";
import {
  AddressConsumer,
  AddressProducer,
  DescriptorConsumer,
  DescriptorProducer,
} from "../../../src/ffi/xsk/rings.ts";

const offsets = { producer: 0, consumer: 64, flags: 128, entries: 192 };

/** A ring both of whose indices stand at `start`. */
function ringAt(start: number, size: number, entry: number): RingMemory {
  const buffer = new SharedArrayBuffer(offsets.entries + size * entry);
  const words = new Int32Array(buffer);
  words[offsets.producer / 4] = start;
  words[offsets.consumer / 4] = start;
  return { buffer, offsets, size };
}

/** Starts near the wraps, of the signed and of the unsigned number, and anywhere. */
const start = fc.oneof(
  fc.constantFrom(0, -1, -3, 0x7fff_ffff, 0x7fff_fffe, -0x8000_0000, 0x7fff_fff0),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const size = fc.constantFrom(1, 2, 4, 8, 64);
const steps = fc.array(
  fc.oneof(
    fc.record({ put: fc.integer({ min: 1, max: 80 }), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
    fc.record({ take: fc.integer({ min: 1, max: 80 }) }),
  ),
  { maxLength: 60 },
);

describe("rings", () => {
  it("of addresses give out what was put in, in order, and no more than there is room for", () => {
    fc.assert(
      fc.property(start, size, steps, (start, size, steps) => {
        const memory = ringAt(start, size, 8);
        const producer = new AddressProducer(memory);
        const consumer = new AddressConsumer(memory);
        const model: number[] = [];
        for (const step of steps) {
          if ("put" in step) {
            const room = producer.room(step.put);
            expect(room).toBe(Math.min(step.put, size - model.length));
            for (let at = 0; at < room; at++) {
              const value = (step.value + at) >>> 0;
              producer.write(at, value);
              model.push(value);
            }
            producer.submit(room);
          } else {
            const count = consumer.available(step.take);
            // What is known is used up before the producer's index is read again.
            expect(count).toBeLessThanOrEqual(Math.min(step.take, model.length));
            if (model.length > 0) expect(count).toBeGreaterThan(0);
            const got = Array.from({ length: count }, (_, at) => consumer.address(at));
            expect(got).toEqual(model.splice(0, count));
            consumer.release(count);
          }
          expect(producer.pending()).toBe(model.length);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("of descriptors keep address, length and options", () => {
    fc.assert(
      fc.property(start, size, steps, (start, size, steps) => {
        const memory = ringAt(start, size, 16);
        const producer = new DescriptorProducer(memory);
        const consumer = new DescriptorConsumer(memory);
        const model: { address: number; length: number }[] = [];
        for (const step of steps) {
          if ("put" in step) {
            const room = producer.room(step.put);
            for (let at = 0; at < room; at++) {
              const entry = { address: (step.value ^ at) >>> 0, length: (step.value >>> 16) + at };
              producer.write(at, entry.address, entry.length);
              model.push(entry);
            }
            producer.submit(room);
          } else {
            const count = consumer.available(step.take);
            for (let at = 0; at < count; at++) {
              const expected = model.shift();
              expect(consumer.address(at)).toBe(expected?.address);
              expect(consumer.lengthBytes(at)).toBe(expected?.length);
              expect(consumer.options(at)).toBe(0);
            }
            consumer.release(count);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("see the need for a wake-up where the kernel's offset says it is", () => {
    const memory = ringAt(0, 4, 8);
    const producer = new AddressProducer(memory);
    expect(producer.needsWakeup()).toBe(false);
    new AddressConsumer(memory).setNeedsWakeup(true);
    expect(new Int32Array(memory.buffer)[offsets.flags / 4]).toBe(1);
    expect(producer.needsWakeup()).toBe(true);
  });

  it("go on from where the memory stands when they are taken up by another thread", () => {
    const memory = ringAt(-2, 8, 8);
    const first = new AddressProducer(memory);
    expect(first.room(5)).toBe(5);
    for (let at = 0; at < 5; at++) first.write(at, at);
    first.submit(5);
    const second = new AddressProducer(memory);
    expect(second.room(8)).toBe(3);
    const consumer = new AddressConsumer(memory);
    expect(consumer.available(8)).toBe(5);
    consumer.release(2);
    expect(new AddressConsumer(memory).available(8)).toBe(3);
  });
});
