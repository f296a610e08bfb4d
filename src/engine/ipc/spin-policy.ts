/**
 * Whether looking at a ring without sleeping pays just now. An answer is often there long before a sleeper could be woken,
 * and whoever looks gives way to others at each look. Two things speak against it. A look that finds nothing was for
 * nothing: ever longer abstinence follows. And where a third program wants the same processor, giving way to it may take
 * a whole time slice, milliseconds, while the doorbell would have taken the processor back at once: longer abstinence.
 */
/** How long a look takes at most, us: some two times what waking a sleeper by doorbell costs. */
export const lookUs = 100;
const maxPassed = 8;
const passedWhenLate = 32;
/** A look took so long: others had the processor. */
const lateUs = 8 * lookUs;

export class SpinPolicy {
  #misses = 0;
  #pass = 0;

  /** Asked before each look. */
  get allowed(): boolean {
    if (this.#pass === 0) return true;
    this.#pass -= 1;
    return false;
  }

  /** What came of a look, and how long it took. */
  note(found: boolean, tookUs: number): void {
    this.#misses = found ? 0 : this.#misses + 1;
    const vain = found ? 0 : Math.min(2 ** (this.#misses - 1), maxPassed);
    this.#pass = tookUs > lateUs ? passedWhenLate : vain;
  }
}
