/** How long to wait after repeated failures: doubling, bounded, forgotten after a quiet time. */

const firstMs = 500;
const maxMs = 30_000;
/** An instance that lived this long was no failed start. */
const quietMs = 10_000;

export class Backoff {
  readonly #monotonic: () => number;
  #failures = 0;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Notes a failure and says how long to wait before the next try. The first one waits for nothing. */
  fail(): number {
    const now = this.#monotonic();
    if (now - this.#lastAt > quietMs + maxMs) this.#failures = 0;
    this.#lastAt = now;
    this.#failures += 1;
    return this.#failures === 1 ? 0 : Math.min(firstMs * 2 ** (this.#failures - 2), maxMs);
  }

  /** Notes the end of an instance that lived so long: a short life counts as a failure. */
  ended(livedMs: number): number {
    if (livedMs > quietMs) this.#failures = 0;
    return this.fail();
  }

  succeed(): void {
    this.#failures = 0;
  }
}
