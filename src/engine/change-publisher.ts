/** Publishes what changed: at once after a quiet time, otherwise together with what else changes within an interval. */
export class ChangePublisher<Key> implements Disposable {
  readonly #intervalMs: number;
  readonly #publish: (changed: ReadonlySet<Key>) => void;
  #changed = new Set<Key>();
  #timer: NodeJS.Timeout | null = null;

  constructor(intervalMs: number, publish: (changed: ReadonlySet<Key>) => void) {
    this.#intervalMs = intervalMs;
    this.#publish = publish;
  }

  /** Notes a change. */
  mark(key: Key): void {
    this.#changed.add(key);
    this.#timer ??= setTimeout(() => this.#flush(), 0);
  }

  #flush(): void {
    this.#timer = null;
    if (this.#changed.size === 0) return;
    const changed = this.#changed;
    this.#changed = new Set();
    this.#timer = setTimeout(() => this.#flush(), this.#intervalMs);
    this.#publish(changed);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
