/** The writing end of a ring. */
import { AetherError } from "../../protocol/errors.ts";
import { crc32 } from "./crc32.ts";
import {
  checkCapacity,
  corrupted,
  entryBytes,
  entryHeaderBytes,
  headerBytes,
  headWord,
  payloadLimit,
  skipMark,
  tailWord,
  viewsOf,
} from "./ring-layout.ts";
import type { RingViews } from "./ring-layout.ts";

const nothing = new Uint8Array(0);

export class RingProducer {
  readonly capacityBytes: number;
  readonly payloadLimitBytes: number;
  readonly #views: RingViews;
  /** Ours alone: never read back from the shared memory. */
  #head: number;
  /** `head` within the region; counted along, because the remainder of a large number is slow. */
  #offset: number;
  /** The consumer's position when it was last looked at; the ring is at most as full as it says. */
  #tail: number;
  #failure: AetherError | null = null;

  /**
   * @param capacityBytes as agreed when the ring was made; the word in the header is the peer's to change
   * @param position where head and tail stand
   * @throws AetherError AE_SHM_CORRUPTED for a capacity that is not legal
   */
  constructor(memory: ArrayBufferLike, capacityBytes: number, position = 0) {
    checkCapacity(capacityBytes, memory.byteLength);
    this.capacityBytes = capacityBytes;
    this.payloadLimitBytes = payloadLimit(capacityBytes);
    this.#views = viewsOf(memory);
    this.#head = position;
    this.#offset = position % capacityBytes;
    this.#tail = position;
  }

  /** Bytes ever written. */
  get head(): number {
    return this.#head;
  }

  /** Bytes written and not yet consumed. @throws AetherError AE_SHM_CORRUPTED */
  get unread(): number {
    this.#look();
    return this.#head - this.#tail;
  }

  /**
   * Writes one entry; false when there is no room just now. What stands before the payload is given apart, so that a long
   * payload is copied once, into the ring.
   * @param leadBytes how much of `lead` counts
   * @throws AetherError AE_PAYLOAD_TOO_LARGE; AE_SHM_CORRUPTED when the peer's tail is impossible, from then on always
   */
  tryWrite(payload: Uint8Array, lead: Uint8Array = nothing, leadBytes: number = lead.length): boolean {
    if (this.#failure !== null) throw this.#failure;
    const length = leadBytes + payload.length;
    if (length > this.payloadLimitBytes) throw tooLarge(length, this.payloadLimitBytes);
    const needed = entryBytes(length);
    const toEnd = this.capacityBytes - this.#offset;
    const skipped = needed > toEnd ? toEnd : 0;
    if (!this.#hasRoom(skipped + needed)) return false;
    const { bytes, words } = this.#views;
    if (skipped > 0) {
      const skip = (headerBytes + this.#offset) >>> 2;
      words[skip] = skipMark;
      words[skip + 1] = 0;
      this.#offset = 0;
    }
    const at = headerBytes + this.#offset;
    const body = at + entryHeaderBytes;
    for (let index = 0; index < leadBytes; index++) bytes[body + index] = lead[index] as number;
    if (payload.length > 0) bytes.set(payload, body + leadBytes);
    for (let pad = body + length; pad < at + needed; pad++) bytes[pad] = 0;
    words[at >>> 2] = length;
    words[(at >>> 2) + 1] = crc32(bytes, words, body, length);
    this.#offset = (this.#offset + needed) & (this.capacityBytes - 1);
    this.#head += skipped + needed;
    // The entry first, then head: a sequentially consistent store comes after all that was written before it.
    Atomics.store(this.#views.positions, headWord, BigInt(this.#head));
    return true;
  }

  /** As `tryWrite`. @throws AetherError AE_RING_FULL too */
  write(payload: Uint8Array): void {
    if (this.tryWrite(payload)) return;
    throw new AetherError("AE_RING_FULL", `ring: no room for ${payload.length} bytes`, {
      why: `${this.#head - this.#tail} of ${this.capacityBytes} bytes wait for the reader`,
      hint: "Wait until the reader has taken some, or make the ring larger.",
      data: { size: payload.length },
    });
  }

  #hasRoom(total: number): boolean {
    if (total <= this.capacityBytes - (this.#head - this.#tail)) return true;
    this.#look();
    return total <= this.capacityBytes - (this.#head - this.#tail);
  }

  /** Reads the consumer's position, once, into a local. */
  #look(): void {
    const tail = Number(Atomics.load(this.#views.positions, tailWord));
    const legal = tail >= this.#tail && tail <= this.#head && tail % 8 === 0;
    if (!legal) {
      this.#failure = corrupted(
        "tail",
        { tail, lastTail: this.#tail, head: this.#head },
        "the reader's position went back, or beyond what was written",
      );
      throw this.#failure;
    }
    this.#tail = tail;
  }
}

function tooLarge(size: number, limit: number): AetherError {
  return new AetherError("AE_PAYLOAD_TOO_LARGE", `ring: a payload of ${size} bytes is too large`, {
    why: `one entry carries at most ${limit} bytes`,
    hint: "Larger messages go in several parts.",
    data: { size, limit },
  });
}
