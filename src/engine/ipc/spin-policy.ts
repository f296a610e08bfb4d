/**
 * Whether looking at a ring without sleeping pays just now. While both sides have a processor of their own, an answer is
 * there long before a sleeper could be woken; where they share one, every look takes the time that the other side needs.
 * So a look that finds nothing is followed by ever longer abstinence, and one that does by none.
 */
const maxPassed = 64;

export class SpinPolicy {
  #misses = 0;
  #pass = 0;

  /** Asked before each look. */
  get allowed(): boolean {
    if (this.#pass === 0) return true;
    this.#pass -= 1;
    return false;
  }

  /** What came of a look. */
  note(found: boolean): void {
    this.#misses = found ? 0 : Math.min(this.#misses + 1, 6);
    this.#pass = found ? 0 : Math.min(2 ** this.#misses, maxPassed);
  }
}
