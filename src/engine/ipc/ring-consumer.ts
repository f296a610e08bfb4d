/** The reading end of a ring whose writer is not trusted: an entry is copied first, and the copy is checked. */
import { crc32 as zlibCrc32 } from "node:zlib";
import { AetherError } from "../../protocol/errors.ts";
import { crc32 } from "./crc32.ts";
import {
  checkCapacity,
  corrupted,
  entryBytes,
  entryHeaderBytes,
  headerBytes,
  headWord,
  maxPayloadBytes,
  skipMark,
  tailWord,
  viewsOf,
} from "./ring-layout.ts";
import type { RingViews } from "./ring-layout.ts";

/** One for all rings of a thread: a short entry is copied here, checked, and handed on. */
const scratchBytes = new Uint8Array(maxPayloadBytes + 8);
const scratchWords = new Uint32Array(scratchBytes.buffer);
/** From here on an entry is copied straight into the memory that is handed out. */
const longBytes = 1_024;

export class RingConsumer {
  readonly capacityBytes: number;
  readonly #views: RingViews;
  /** Ours alone: never read back from the shared memory. */
  #tail: number;
  #offset: number;
  /** The writer's position when it was last looked at. */
  #head: number;
  /** Where the entry stands that was found last, a skip before it counted in. */
  #foundTail = 0;
  #foundOffset = 0;
  #failure: AetherError | null = null;

  /**
   * @param capacityBytes as agreed when the ring was made; the word in the header is the peer's to change
   * @param position where head and tail stand
   * @throws AetherError AE_SHM_CORRUPTED for a capacity that is not legal
   */
  constructor(memory: ArrayBufferLike, capacityBytes: number, position = 0) {
    checkCapacity(capacityBytes, memory.byteLength);
    this.capacityBytes = capacityBytes;
    this.#views = viewsOf(memory);
    this.#tail = position;
    this.#offset = position % capacityBytes;
    this.#head = position;
  }

  /** Bytes ever consumed. */
  get tail(): number {
    return this.#tail;
  }

  /** Bytes written and not yet taken. @throws AetherError AE_SHM_CORRUPTED */
  get unread(): number {
    return this.hasEntry ? this.#head - this.#tail : 0;
  }

  /** Whether something is there to be read. @throws AetherError AE_SHM_CORRUPTED */
  get hasEntry(): boolean {
    if (this.#failure !== null) throw this.#failure;
    if (this.#head === this.#tail) this.#look();
    return this.#head !== this.#tail;
  }

  /** Whether the writer's position has moved, whatever it says: what a loop can ask for ever without making garbage. */
  get stirs(): boolean {
    // The lower half: nothing that is legal moves it by 4 GiB.
    return Atomics.load(this.#views.lows, headWord * 2) !== (this.#tail | 0);
  }

  /**
   * Takes the next entry, copied; `null` when there is none.
   * @throws AetherError AE_SHM_CORRUPTED, AE_RING_CHECKSUM; the tail does not move then, and the ring stays unusable
   */
  tryRead(): Uint8Array | null {
    const length = this.#find();
    if (length < 0) return null;
    if (length < longBytes) {
      this.#consume(length, this.#copyShort(length));
      // A plain copy: what is handed out shares nothing with the scratch or the ring.
      return scratchBytes.slice(0, length);
    }
    // Memory that is not zeroed first, as a plain array of bytes like that of a short entry.
    const own = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer, 0, length);
    const from = headerBytes + this.#foundOffset + entryHeaderBytes;
    own.set(this.#views.bytes.subarray(from, from + length));
    this.#consume(length, zlibCrc32(own));
    return own;
  }

  /**
   * As `tryRead`, into the caller's memory; -1 when there is none.
   * @returns the length of the payload. @throws RangeError when `target` is shorter
   */
  tryReadInto(target: Uint8Array): number {
    const length = this.#find();
    if (length < 0) return -1;
    if (length > target.length) throw new RangeError(`payload of ${length} bytes, room for ${target.length}`);
    this.#consume(length, this.#copyShort(length));
    if (length > 256) target.set(scratchBytes.subarray(0, length));
    else for (let index = 0; index < length; index++) target[index] = scratchBytes[index] as number;
    return length;
  }

  /** As `tryRead`. @throws AetherError AE_RING_EMPTY too */
  read(): Uint8Array {
    const payload = this.tryRead();
    if (payload !== null) return payload;
    throw new AetherError("AE_RING_EMPTY", "ring: nothing to read", {
      hint: "Wait for the doorbell.",
    });
  }

  /** Checks the header of the next entry. The length of its payload, or -1. */
  #find(): number {
    if (this.#failure !== null) throw this.#failure;
    if (this.#head === this.#tail) {
      this.#look();
      if (this.#head === this.#tail) return -1;
    }
    let tail = this.#tail;
    let offset = this.#offset;
    const { words } = this.#views;
    // Read once, into a local: the peer may change it at any moment.
    let length = words[(headerBytes + offset) >>> 2] as number;
    if (length === skipMark) {
      const skipped = this.capacityBytes - offset;
      if (offset === 0 || tail + skipped >= this.#head)
        throw this.#fail(
          corrupted("skip", { tail, head: this.#head }, "a skip leads beyond what was written"),
        );
      tail += skipped;
      offset = 0;
      length = words[headerBytes >>> 2] as number;
    }
    if (length > maxPayloadBytes)
      throw this.#fail(corrupted("len", { len: length, limit: maxPayloadBytes }, "it is above the limit"));
    const taken = entryBytes(length);
    if (tail + taken > this.#head || offset + taken > this.capacityBytes)
      throw this.#fail(
        corrupted(
          "len",
          { len: length, tail, head: this.#head },
          "the entry reaches beyond what was written",
        ),
      );
    this.#foundTail = tail;
    this.#foundOffset = offset;
    return length;
  }

  /** Into the scratch; the checksum of what was copied. */
  #copyShort(length: number): number {
    const { bytes, words } = this.#views;
    const from = headerBytes + this.#foundOffset + entryHeaderBytes;
    if (length > 256) {
      scratchBytes.set(bytes.subarray(from, from + length));
    } else {
      // Whole words, the padding included: it lies inside the entry, which was checked.
      const first = from >>> 2;
      const count = (length + 3) >>> 2;
      for (let index = 0; index < count; index++) scratchWords[index] = words[first + index] as number;
    }
    return crc32(scratchBytes, scratchWords, 0, length);
  }

  /** Compares the checksum of the copy with the entry's, and moves the tail. */
  #consume(length: number, actual: number): void {
    const expected = this.#views.words[((headerBytes + this.#foundOffset) >>> 2) + 1] as number;
    if (actual !== expected) throw this.#fail(checksum(expected, actual, this.#foundTail));
    const taken = entryBytes(length);
    this.#tail = this.#foundTail + taken;
    this.#offset = (this.#foundOffset + taken) & (this.capacityBytes - 1);
    Atomics.store(this.#views.positions, tailWord, BigInt(this.#tail));
  }

  #look(): void {
    const head = Number(Atomics.load(this.#views.positions, headWord));
    const legal = head >= this.#head && head - this.#tail <= this.capacityBytes && head % 8 === 0;
    if (!legal)
      throw this.#fail(
        corrupted(
          "head",
          { head, lastHead: this.#head, tail: this.#tail },
          "the writer's position went back, or more was written than fits",
        ),
      );
    this.#head = head;
  }

  #fail(error: AetherError): AetherError {
    this.#failure = error;
    return error;
  }
}

function checksum(expected: number, actual: number, tail: number): AetherError {
  return new AetherError("AE_RING_CHECKSUM", "ring: the checksum of an entry is wrong", {
    why: `the entry says ${hex(expected)}, its payload gives ${hex(actual)}`,
    hint: "The writer wrote into an entry that it had handed over; the ring is closed.",
    data: { expected, actual, tail },
  });
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;
