/** What is done of a function's next wake while nobody waits: the restore, and the memory that its first request will touch. */
import type { RestoredAhead } from "../lifecycle/driver.ts";
import type { Image } from "../snapshot/image.ts";
import { isTouched } from "./bounded-restore.ts";
import { holdRestored } from "./hold-restored.ts";
import type { HoldOptions } from "./hold-restored.ts";
import type { PreparedRestore } from "./prepared-restore.ts";
import type { PreparedSet } from "./prepared-set.ts";
import { descendants } from "./process-tree.ts";
import { WorkingSet } from "./working-set.ts";

/** From a wake until its pages are looked at: its first requests are answered by then. */
const learnAfterMs = 50;
/** What a function touches changes slowly, and looking takes a millisecond or two. */
const learnAgainMs = 60_000;

export class RestoresAhead implements Disposable {
  readonly #prepared: PreparedSet;
  /** What was given out of those that are restored already. */
  readonly #given = new WeakMap<PreparedRestore, RestoredAhead>();
  #workingSet: WorkingSet | null = null;
  #learnedAtMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(prepared: PreparedSet) {
    this.#prepared = prepared;
  }

  /**
   * Does the restore of the one that is taken next (InstanceDriver.restoreAhead).
   * @throws AetherError AE_RESTORE_FAILED
   */
  async hold(image: Image, options: HoldOptions): Promise<RestoredAhead | null> {
    const prepared = this.#prepared.first(image);
    // A program that was touched is the wake's business: it may have to be refused.
    if (prepared === null || prepared.isBegun || isTouched(prepared)) return null;
    try {
      const listeners = await holdRestored(prepared, options);
      const ahead = { listeners, ended: prepared.sandbox.gone };
      this.#given.set(prepared, ahead);
      void this.#workingSet?.touch(
        descendants(prepared.sandbox.initPid),
        () => this.#prepared.has(prepared) && prepared.isUsable,
      );
      return ahead;
    } catch (error) {
      // Taken by a wake meanwhile, whose failure it is then, or given up.
      if (!this.#prepared.has(prepared)) return null;
      this.#prepared.clear();
      throw error;
    }
  }

  /** What was given out for it; `null`: it was not restored ahead, or not to the end. */
  of(prepared: PreparedRestore): RestoredAhead | null {
    return this.#given.get(prepared) ?? null;
  }

  /** Learns in a moment what the processes of a wake have touched. */
  learnSoon(pids: () => readonly number[]): void {
    if (performance.now() - this.#learnedAtMs < learnAgainMs) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#learnedAtMs = performance.now();
      this.#workingSet = WorkingSet.of(pids()) ?? this.#workingSet;
    }, learnAfterMs);
  }

  /** It was started anew, and lies elsewhere in memory. */
  unlearn(): void {
    clearTimeout(this.#timer);
    this.#workingSet = null;
    this.#learnedAtMs = -Infinity;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
