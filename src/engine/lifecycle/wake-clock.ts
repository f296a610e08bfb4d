/** Where the time of one wake goes: every part ends where the next begins, so that the sum is the whole. */
import type { PhaseTimes, WakePhase } from "../../protocol/wakes.ts";

/** Older than this, what the kernel noted last was not the connection that is being served. */
const handshakeWithinMs = 1_000;

export class WakeClock {
  readonly seenAtMs: number;
  readonly #monotonic: () => number;
  readonly #phases: Partial<Record<WakePhase, number>> = {};
  #last: number;

  /**
   * @param seenAtMs monotonic ms when the connection was seen, or the order came
   * @param handshakeAtMs monotonic ms of the last handshake that the kernel completed; `null` where there was none
   */
  constructor(monotonic: () => number, seenAtMs: number, handshakeAtMs: number | null) {
    this.#monotonic = monotonic;
    this.seenAtMs = seenAtMs;
    this.#last = seenAtMs;
    const before = handshakeAtMs === null ? -1 : seenAtMs - handshakeAtMs;
    if (before >= 0 && before < handshakeWithinMs) this.#phases.handshake = inMicroseconds(before);
  }

  /** A part ends now, or ended at that monotonic time. */
  ended(phase: WakePhase, atMs: number = this.#monotonic()): void {
    this.#phases[phase] = (this.#phases[phase] ?? 0) + inMicroseconds(Math.max(0, atMs - this.#last));
    this.#last = Math.max(this.#last, atMs);
  }

  get phases(): PhaseTimes {
    return { ...this.#phases };
  }

  /** From seen to the end of the last part, ms. */
  get totalMs(): number {
    return this.#last - this.seenAtMs;
  }
}

function inMicroseconds(ms: number): number {
  return Math.round(ms * 1000);
}
