/**
 * Rings with one producer and one consumer, over memory that the other side maps too. Indices run freely over 32 bits and
 * are kept as signed ones: `(a - b) | 0` is right across the wrap, and `& mask` finds the entry. The shared indices are
 * read and written once per batch, by Atomics: its loads acquire and its stores release, as the kernel's side demands.
 */
import { needWakeupFlag } from "./layout.ts";
import type { RingMemory } from "./layout.ts";

/** Word index of a byte offset; offsets of the kernel are aligned to cache lines. */
const word = (offsetBytes: number): number => offsetBytes >>> 2;

/** One end of a ring: where it lies, and how far this end has come. */
class RingEnd {
  readonly size: number;
  protected readonly words: Int32Array;
  protected readonly mask: number;
  /** Where the entries begin. */
  protected readonly first: number;
  protected readonly producerAt: number;
  protected readonly consumerAt: number;
  /** Index of the next entry of this end. */
  protected next: number;
  protected readonly flagsAt: number;

  constructor({ buffer, size, offsets }: RingMemory, end: "producer" | "consumer") {
    this.words = new Int32Array(buffer);
    this.size = size;
    this.mask = size - 1;
    this.first = word(offsets.entries);
    this.producerAt = word(offsets.producer);
    this.consumerAt = word(offsets.consumer);
    this.flagsAt = word(offsets.flags);
    this.next = Atomics.load(this.words, word(offsets[end]));
  }
}

/** What both kinds of producer share. The entries between `reserve` and `submit` are ours. */
export class ProducerRing extends RingEnd {
  /** The consumer's index as last read, plus the size: up to here may be written. */
  #limit: number;

  constructor(memory: RingMemory) {
    super(memory, "producer");
    this.#limit = (Atomics.load(this.words, this.consumerAt) + this.size) | 0;
  }

  /** How many entries may be written now, at most `wanted`. The consumer's index is read only when it must be. */
  room(wanted: number): number {
    let free = (this.#limit - this.next) | 0;
    if (free < wanted) {
      this.#limit = (Atomics.load(this.words, this.consumerAt) + this.size) | 0;
      free = (this.#limit - this.next) | 0;
    }
    return free < wanted ? free : wanted;
  }

  /** Hands the next `count` entries to the consumer. */
  submit(count: number): void {
    this.next = (this.next + count) | 0;
    Atomics.store(this.words, this.producerAt, this.next);
  }

  /** Entries handed over that the consumer has not taken yet. */
  pending(): number {
    return (this.next - Atomics.load(this.words, this.consumerAt)) | 0;
  }

  /** Whether the kernel asks to be called before it looks at the ring again. */
  needsWakeup(): boolean {
    return (Atomics.load(this.words, this.flagsAt) & needWakeupFlag) !== 0;
  }
}

/** The fill ring as the user's side sees it, or the completion ring as the kernel's does. */
export class AddressProducer extends ProducerRing {
  /** Writes the entry `offset` places after the next one. Addresses stay below 4 GiB (see `limits.ts`). */
  write(offset: number, address: number): void {
    const at = this.first + ((this.next + offset) & this.mask) * 2;
    this.words[at] = address;
    this.words[at + 1] = 0;
  }
}

/** The tx ring as the user's side sees it, or the rx ring as the kernel's does. */
export class DescriptorProducer extends ProducerRing {
  write(offset: number, address: number, lengthBytes: number): void {
    const at = this.first + ((this.next + offset) & this.mask) * 4;
    this.words[at] = address;
    this.words[at + 1] = 0;
    this.words[at + 2] = lengthBytes;
    this.words[at + 3] = 0; // options: must be 0 without XDP_USE_SG
  }
}

/** What both kinds of consumer share. Entries stay ours until `release`. */
export class ConsumerRing extends RingEnd {
  /** The producer's index as last read. */
  #limit: number;

  constructor(memory: RingMemory) {
    super(memory, "consumer");
    this.#limit = this.next;
  }

  /** How many entries can be read now, at most `wanted`. The producer's index is read only when none is known. */
  available(wanted: number): number {
    let entries = (this.#limit - this.next) | 0;
    if (entries === 0) {
      this.#limit = Atomics.load(this.words, this.producerAt);
      entries = (this.#limit - this.next) | 0;
    }
    return entries < wanted ? entries : wanted;
  }

  /** Gives the next `count` entries back to the producer, after they were read. */
  release(count: number): void {
    this.next = (this.next + count) | 0;
    Atomics.store(this.words, this.consumerAt, this.next);
  }

  /** For the simulator's kernel side: whether the producer is to call us. */
  setNeedsWakeup(on: boolean): void {
    Atomics.store(this.words, this.flagsAt, on ? needWakeupFlag : 0);
  }
}

/** The completion ring as the user's side sees it, or the fill ring as the kernel's does. */
export class AddressConsumer extends ConsumerRing {
  /** The address in the entry `offset` places after the next one. */
  address(offset: number): number {
    return (this.words[this.first + ((this.next + offset) & this.mask) * 2] ?? 0) >>> 0;
  }
}

/** The rx ring as the user's side sees it, or the tx ring as the kernel's does. */
export class DescriptorConsumer extends ConsumerRing {
  address(offset: number): number {
    return (this.words[this.first + ((this.next + offset) & this.mask) * 4] ?? 0) >>> 0;
  }

  lengthBytes(offset: number): number {
    return (this.words[this.first + ((this.next + offset) & this.mask) * 4 + 2] ?? 0) >>> 0;
  }

  options(offset: number): number {
    return this.words[this.first + ((this.next + offset) & this.mask) * 4 + 3] ?? 0;
  }
}
