/**
 * `engine.memory_budget`: when functions that nobody uses take more memory together than they may, the one that was not used
 * for the longest time becomes a snapshot, then the next. One timer for all functions, and none while nothing is awake.
 */
import { formatSize } from "../config/units.ts";

/** A function that nobody uses just now, and that has a process. */
export interface IdleFunction {
  readonly id: string;
  readonly tier: "suspended" | "running";
  readonly memoryBytes: number;
  /** Monotonic ms of the last connection opened or closed, or of the wake. */
  readonly lastUsedMs: number;
  /** Not under `snapshot_after: never`: its memory counts, and it stays. */
  readonly mayGoDown: boolean;
}

export interface MemoryBudgetParts {
  /** `null`: no limit. */
  readonly budgetBytes: number | null;
  idleFunctions(): readonly IdleFunction[];
  /** Makes a snapshot of it. False: it did not come about, which has been told where it had to be. */
  demote(id: string): Promise<boolean>;
  notice(text: string): void;
  monotonic(): number;
}

/** After a change: soon, so that a burst of changes is one look. */
const soonMs = 20;
/** Memory grows without an event that could be waited for. */
const periodMs = 1_000;
/** A function that did not go to sleep is left alone for so long. */
const retryMs = 30_000;

const total = (functions: readonly IdleFunction[]): number =>
  functions.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);

/**
 * The function that has to go down first; `null` when the budget holds, or when none may.
 * Suspended ones before idle running ones, the least recently used first.
 */
export function firstToGo(functions: readonly IdleFunction[], budgetBytes: number): string | null {
  if (total(functions) <= budgetBytes) return null;
  const [first] = functions
    .filter(({ mayGoDown }) => mayGoDown)
    .toSorted(
      (left, right) =>
        Number(left.tier === "running") - Number(right.tier === "running") ||
        left.lastUsedMs - right.lastUsedMs,
    );
  return first?.id ?? null;
}

export class MemoryBudget implements Disposable {
  readonly #parts: MemoryBudgetParts;
  #budgetBytes: number | null;
  #timer: { readonly handle: NodeJS.Timeout; readonly atMs: number } | null = null;
  #looking = false;
  #closed = false;
  /** Whether it was told that the budget cannot be kept. */
  #told = false;
  /** Functions that did not go down, until when they are left alone. */
  readonly #refused = new Map<string, number>();

  constructor(parts: MemoryBudgetParts) {
    this.#parts = parts;
    this.#budgetBytes = parts.budgetBytes;
  }

  /** Another limit from now on. */
  resize(budgetBytes: number | null): void {
    this.#budgetBytes = budgetBytes;
    if (budgetBytes === null) this.#disarm();
    this.note();
  }

  /** Something has changed: a look is due soon. Costs next to nothing, as wakes call it. */
  note(): void {
    this.#arm(soonMs);
  }

  #arm(ms: number): void {
    if (this.#budgetBytes === null || this.#closed || this.#looking) return;
    const atMs = this.#parts.monotonic() + ms;
    if (this.#timer !== null && this.#timer.atMs <= atMs) return;
    this.#disarm();
    const handle = setTimeout(() => {
      this.#timer = null;
      void this.#look();
    }, ms);
    this.#timer = { handle, atMs };
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    this.#timer = null;
  }

  /** One goes down after another, each time by what is so then: meanwhile clients come and go. */
  async #look(): Promise<void> {
    this.#looking = true;
    let idle = this.#idle();
    try {
      for (;;) {
        if (this.#budgetBytes === null || this.#closed) return;
        const id = firstToGo(idle, this.#budgetBytes);
        if (id === null) break;
        if (await this.#parts.demote(id)) this.#refused.delete(id);
        else this.#refused.set(id, this.#parts.monotonic() + retryMs);
        idle = this.#idle();
      }
      this.#tell(idle, this.#budgetBytes);
    } finally {
      this.#looking = false;
    }
    // Nothing is awake: the next change tells.
    if (idle.length > 0) this.#arm(periodMs);
  }

  #idle(): readonly IdleFunction[] {
    const now = this.#parts.monotonic();
    for (const [id, untilMs] of this.#refused) if (untilMs <= now) this.#refused.delete(id);
    return this.#parts
      .idleFunctions()
      .map((each) => (this.#refused.has(each.id) ? { ...each, mayGoDown: false } : each));
  }

  #tell(idle: readonly IdleFunction[], budgetBytes: number): void {
    const over = total(idle) - budgetBytes;
    if (over > 0 && !this.#told)
      this.#parts.notice(
        `idle functions take ${formatSize(total(idle))}, more than engine.memory_budget, and none of them may become a snapshot now`,
      );
    this.#told = over > 0;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#disarm();
  }
}
