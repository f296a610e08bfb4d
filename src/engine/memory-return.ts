/**
 * When the engine gives memory back that it no longer needs. A start with many functions, or a burst of wakes, leaves tens of
 * megabytes free but kept; they are worth a few milliseconds of work, though not while somebody waits for a wake.
 */

/** So long nothing must have happened. */
export const quietMs = 5_000;

export interface MemoryReturnOptions {
  /** Gives the memory back. */
  readonly trim: () => void;
  readonly monotonic: () => number;
}

/** One timer for the whole engine, and none while nothing happens. */
export class MemoryReturn implements Disposable {
  readonly #options: MemoryReturnOptions;
  #timer: NodeJS.Timeout | null = null;
  #usedAt = 0;

  constructor(options: MemoryReturnOptions) {
    this.#options = options;
  }

  /** Something happened: once it has been quiet, memory is given back. */
  used(): void {
    this.#usedAt = this.#options.monotonic();
    this.#timer ??= this.#arm(quietMs);
  }

  #arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = null;
      const restMs = this.#usedAt + quietMs - this.#options.monotonic();
      if (restMs > 0) this.#timer = this.#arm(restMs);
      else this.#options.trim();
    }, Math.ceil(delayMs)).unref();
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
