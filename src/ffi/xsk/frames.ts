/**
 * Who has which frame of the UMEM. Every frame is in exactly one place; a frame that is moved from where it is not is a
 * defect and throws at once, before two packets share it. The memory is shared, so that a socket can change its thread;
 * only one thread uses it at a time.
 */
import { XdpSocketError } from "./errors.ts";
import type { FrameLayout } from "./layout.ts";

/** free: nobody's · fill: the kernel's, to receive into · rx: received, being looked at · tx: to be sent · user: owned. */
export const framePlaces = ["free", "fill", "rx", "tx", "user"] as const;
export type FramePlace = (typeof framePlaces)[number];
export type FrameCounts = Readonly<Record<FramePlace, number>>;

/** The places as they stand in memory. */
export const place = { free: 0, fill: 1, rx: 2, tx: 3, user: 4 } as const satisfies Record<
  FramePlace,
  number
>;
export type Place = (typeof place)[FramePlace];

export class FrameAllocator {
  readonly frameCount: number;
  readonly frameSizeBytes: number;
  /** Structured clone of it is the same memory: `FrameAllocator.over` in another thread goes on from here. */
  readonly memory: SharedArrayBuffer;
  readonly #shift: number;
  /** Word 0: number of free frames; then their stack. The frame used last comes first, as its memory is in the cache. */
  readonly #stack: Int32Array;
  readonly #places: Uint8Array;

  private constructor(layout: FrameLayout, memory: SharedArrayBuffer) {
    this.frameCount = layout.frameCount;
    this.frameSizeBytes = layout.frameSizeBytes;
    this.memory = memory;
    this.#shift = 31 - Math.clz32(layout.frameSizeBytes);
    this.#stack = new Int32Array(memory, 0, layout.frameCount + 1);
    this.#places = new Uint8Array(memory, (layout.frameCount + 1) * 4, layout.frameCount);
  }

  /** All frames free. */
  static create(layout: FrameLayout): FrameAllocator {
    const { frameCount } = layout;
    const frames = new FrameAllocator(layout, new SharedArrayBuffer((frameCount + 1) * 4 + frameCount));
    frames.#stack[0] = frameCount;
    for (let frame = 0; frame < frameCount; frame++) frames.#stack[frame + 1] = frameCount - 1 - frame;
    return frames;
  }

  /** The same frames, in another thread. */
  static over(layout: FrameLayout, memory: SharedArrayBuffer): FrameAllocator {
    return new FrameAllocator(layout, memory);
  }

  get freeCount(): number {
    return this.#stack[0] ?? 0;
  }

  /** The frame that an address of a ring lies in. @throws XdpSocketError when it is none of ours */
  frameOf(address: number): number {
    const frame = address >>> this.#shift;
    if (frame >= this.frameCount) {
      throw new XdpSocketError("Corrupted", `a ring names the address ${address}`, {
        why: `the UMEM has ${this.frameCount} frames of ${this.frameSizeBytes} bytes`,
      });
    }
    return frame;
  }

  addressOf(frame: number): number {
    return frame * this.frameSizeBytes;
  }

  /** Takes a free frame to a place; -1 when none is free, which is ordinary. */
  take(to: Place): number {
    const count = this.#stack[0] ?? 0;
    if (count === 0) return -1;
    const frame = this.#stack[count] ?? 0;
    this.#expect(frame, place.free);
    this.#stack[0] = count - 1;
    this.#places[frame] = to;
    return frame;
  }

  /** Moves a frame on. */
  move(frame: number, from: Place, to: Place): void {
    this.#expect(frame, from);
    this.#places[frame] = to;
  }

  /** Gives a frame back. */
  free(frame: number, from: Place): void {
    this.#expect(frame, from);
    this.#places[frame] = place.free;
    const count = (this.#stack[0] ?? 0) + 1;
    this.#stack[0] = count;
    this.#stack[count] = frame;
  }

  placeOf(frame: number): FramePlace {
    return framePlaces[this.#places[frame] ?? 0] ?? "free";
  }

  /** Counts every frame by its place; it looks at each, so not for the hot path. */
  counts(): FrameCounts {
    const counts = { free: 0, fill: 0, rx: 0, tx: 0, user: 0 };
    for (let frame = 0; frame < this.frameCount; frame++) counts[this.placeOf(frame)] += 1;
    return counts;
  }

  /** Debug mode, after every batch: the stack and the places agree, and no frame is on the stack twice. */
  verify(): void {
    const seen = new Set<number>();
    for (let at = 1; at <= this.freeCount; at++) seen.add(this.#stack[at] ?? -1);
    const { free } = this.counts();
    if (seen.size === this.freeCount && free === this.freeCount) return;
    throw new XdpSocketError("Corrupted", "the free frames do not add up", {
      why: `${this.freeCount} are on the stack, ${seen.size} of them different; ${free} are marked free`,
    });
  }

  #expect(frame: number, from: Place): void {
    if (this.#places[frame] === from) return;
    throw new XdpSocketError("Corrupted", `frame ${frame} is not where it should be`, {
      why: `it is ${this.placeOf(frame)}, not ${framePlaces[from]}`,
    });
  }
}
