/** One operation at a time per instance: snapshot and restore exclude each other because they wait for each other here. */
import { AetherError } from "../../protocol/errors.ts";

/** More waiting operations than this are refused: people and timers never queue so many. */
const maxWaiting = 32;

export class OperationQueue {
  readonly #functionId: string;
  readonly #waiting: { readonly start: () => Promise<void>; readonly refuse: () => void }[] = [];
  #running = false;
  #closed = false;
  #idle = Promise.withResolvers<void>();

  constructor(functionId: string) {
    this.#functionId = functionId;
    this.#idle.resolve();
  }

  /** Whether nothing runs and nothing waits. */
  get isIdle(): boolean {
    return !this.#running;
  }

  /**
   * Runs the operation once those before it are done.
   * Rejects with AE_OPERATION_IN_PROGRESS when too many wait or the queue was closed.
   */
  run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closed || this.#waiting.length >= maxWaiting) return Promise.reject(this.#refused());
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        start: () => operation().then(resolve, reject),
        refuse: () => reject(this.#refused()),
      });
      if (!this.#running) void this.#drain();
    });
  }

  #refused(): AetherError {
    return new AetherError("AE_OPERATION_IN_PROGRESS", `${this.#functionId}: the operation is refused`, {
      why: this.#closed ? "the function is being removed" : `${maxWaiting} operations are waiting already`,
      hint: "Try again when the function is at rest; `aether ps` shows what is under way.",
      data: { function: this.#functionId },
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    this.#idle = Promise.withResolvers<void>();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      await next.start();
    this.#running = false;
    this.#idle.resolve();
  }

  /** Refuses new operations and those that wait, and resolves when the running one is done. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { refuse } of this.#waiting.splice(0)) refuse();
    await this.#idle.promise;
  }
}
