/** Publishes what changed, at once when it has been quiet and at most ten times a second otherwise. */
const intervalMs = 100;

export class ViewPublisher<Key> implements Disposable {
  readonly #publish: (changed: ReadonlySet<Key>) => void;
  #changed = new Set<Key>();
  #timer: NodeJS.Timeout | null = null;
  #quiet = true;

  constructor(publish: (changed: ReadonlySet<Key>) => void) {
    this.#publish = publish;
  }

  /** Notes a change. */
  mark(key: Key): void {
    this.#changed.add(key);
    if (this.#timer !== null) return;
    // After a quiet time the first change goes out with the next turn of the loop, together with what follows in this one.
    this.#timer = setTimeout(() => this.#flush(), this.#quiet ? 0 : intervalMs);
    this.#quiet = false;
  }

  #flush(): void {
    this.#timer = null;
    if (this.#changed.size === 0) {
      this.#quiet = true;
      return;
    }
    const changed = this.#changed;
    this.#changed = new Set();
    this.#timer = setTimeout(() => this.#flush(), intervalMs);
    this.#publish(changed);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
