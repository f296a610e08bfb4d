/** Two counts of connections, one after the other, as the lines of a profile that tell the difference. */
import type { ConnectionCount, ConnectionCounts } from "../../protocol/views.ts";
import type { ProfileEntry } from "./profile-line.ts";

/** Wall and monotonic clock are read one after the other. */
const uncountedMarginMs = 20;

export class ConnectionDiff {
  readonly #before = new Map<string, ConnectionCount>();
  readonly #lastToldMs = new Map<string, number>();
  #writtenMs = Number.NEGATIVE_INFINITY;

  /**
   * What happened since the last counts, in order of time. The first counts tell only which connections are open.
   * The kernel tells the time of the last change; connections that came between two counts share it.
   */
  entries(counts: ConnectionCounts): ProfileEntry[] {
    const found: ProfileEntry[] = [];
    for (const now of counts.functions) {
      const before = this.#before.get(now.id);
      this.#before.set(now.id, now);
      // Counters never go back within an engine: a function that has another port now begins anew.
      const opened = before === undefined || now.opened < before.opened ? 0 : now.opened - before.opened;
      if (opened === 0 && now.open === (before?.open ?? 0)) continue;
      const atMs = before === undefined ? counts.atMs : (now.lastChangeMs ?? counts.atMs);
      found.push({ atMs, id: now.id, opened, open: now.open });
    }
    return found.toSorted((left, right) => left.atMs - right.atMs).map((entry) => this.#notBefore(entry));
  }

  /** The wake of a client that the kernel's program does not count (docs/plan.md), unless it has been told already. */
  uncounted(id: string, seenAtMs: number): ProfileEntry | null {
    const last = this.#lastToldMs.get(id);
    if (last !== undefined && last >= seenAtMs - uncountedMarginMs) return null;
    return this.#notBefore({ atMs: seenAtMs, id, opened: 1, open: this.#before.get(id)?.open ?? 0 });
  }

  /** A profile is in order of time; two counts may overlap by the engine's answer time. */
  #notBefore(entry: ProfileEntry): ProfileEntry {
    this.#writtenMs = Math.max(this.#writtenMs, entry.atMs);
    this.#lastToldMs.set(entry.id, entry.atMs);
    return { ...entry, atMs: this.#writtenMs };
  }
}
