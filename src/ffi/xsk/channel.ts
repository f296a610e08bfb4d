/** A bounded queue between one who puts and those who take batches. */

export class Channel<T> {
  readonly capacity: number;
  #items: T[] = [];
  #closed = false;
  #failure: Error | null = null;
  readonly #takers: (() => void)[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#items.length;
  }

  /** How many more fit. */
  get room(): number {
    return this.capacity - this.#items.length;
  }

  /** False: full, or closed; the item stays the caller's. */
  put(item: T): boolean {
    if (this.#closed || this.#items.length >= this.capacity) return false;
    this.#items.push(item);
    this.#takers.shift()?.();
    return true;
  }

  /** Up to `most` items, as soon as there is one. Empty: closed, and nothing is left. @throws what it was closed with */
  async take(most: number): Promise<T[]> {
    while (this.#items.length === 0 && !this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#takers.push(resolve);
      await promise;
    }
    if (this.#items.length === 0 && this.#failure !== null) throw this.#failure;
    const taken = this.#items.splice(0, most);
    // Several may wait, and one put wakes one.
    if (this.#items.length > 0) this.#takers.shift()?.();
    return taken;
  }

  /** What is in it can still be taken. */
  close(failure: Error | null = null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = failure;
    for (const wake of this.#takers.splice(0)) wake();
  }
}
