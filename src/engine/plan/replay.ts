/**
 * What a function's idle settings would have done under a given traffic: a replay of the idle policy (wake/idle-monitor.ts)
 * without processes and without clocks. It keeps a few numbers a function, however long the profile is.
 *
 * Not replayed: the time that starts, dumps and restores take (they count as instantaneous), `engine.memory_budget`, orders
 * of people, crashes, and data on connections that stay open (under `idle.ignore_open` only their beginning and end are known).
 */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { WakeTier } from "../../protocol/states.ts";
import type { ProfileEntry } from "./profile-line.ts";

/** Where a function is in the replay, by the names of docs/lifecycle.md. */
type Tier = "running" | "suspended" | "snapshot" | "uninitialized";

export type PlannedFunction = Pick<FunctionConfig, "id" | "idle" | "start">;

export interface FunctionPlan {
  readonly id: string;
  readonly connections: number;
  /** Connections that found it running; the others waited for a wake, or joined those that did. */
  readonly foundRunning: number;
  /** How often it went to sleep, by tier; one that goes on from suspended to snapshot counts in both. */
  readonly sleeps: { readonly suspended: number; readonly snapshot: number };
  /** Wakes by the tier they found it in. */
  readonly wakes: Readonly<Record<WakeTier, number>>;
  /** Milliseconds in each state, over the whole profile. */
  readonly timeMs: Readonly<Record<Tier, number>>;
}

export interface ReplayResult {
  /** Times of the first and the last line; 0 and 0 for an empty profile. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly lines: number;
  readonly functions: readonly FunctionPlan[];
  /** Lines of functions that are not declared, by id. */
  readonly undeclared: Readonly<Record<string, number>>;
}

/** So many undeclared ids are told by name; the profile may be anything. */
const maxUndeclared = 100;

const wakeTierOf: Readonly<Record<Exclude<Tier, "running">, WakeTier>> = {
  suspended: "suspended",
  snapshot: "snapshot",
  uninitialized: "cold",
};

class FunctionReplay {
  readonly #config: PlannedFunction;
  #tier: Tier;
  /** Accounted for up to here. */
  #cursorMs: number;
  #open = 0;
  #suspendAtMs = Number.POSITIVE_INFINITY;
  #snapshotAtMs = Number.POSITIVE_INFINITY;
  #connections = 0;
  #foundRunning = 0;
  readonly #sleeps = { suspended: 0, snapshot: 0 };
  readonly #wakes = { suspended: 0, snapshot: 0, cold: 0 };
  readonly #timeMs = { running: 0, suspended: 0, snapshot: 0, uninitialized: 0 };

  constructor(config: PlannedFunction, fromMs: number) {
    this.#config = config;
    this.#cursorMs = fromMs;
    this.#tier = firstTier(config.start);
    if (this.#tier === "running") this.#idleSince(fromMs);
  }

  take({ atMs, opened, open }: ProfileEntry): void {
    this.advance(atMs);
    const more = Math.max(opened, open - this.#open);
    const closedOne = more === 0 && open < this.#open;
    this.#open = open;
    // A connection's end wakes a frozen function that watches its connections; one that became a snapshot has closed them.
    const stirred = closedOne && this.#config.idle.ignoreOpen && this.#tier === "suspended";
    this.#connections += more;
    if (more > 0 || stirred) {
      if (this.#tier === "running") this.#foundRunning += more;
      else {
        this.#foundRunning += Math.max(0, more - 1);
        this.#wakes[wakeTierOf[this.#tier]] += 1;
      }
      this.#tier = "running";
      this.#idleSince(atMs);
    } else if (closedOne && this.#tier === "running") this.#idleSince(atMs);
  }

  #idleSince(atMs: number): void {
    const { suspendAfterMs, snapshotAfterMs, ignoreOpen } = this.#config.idle;
    const awake = this.#open > 0 && !ignoreOpen;
    this.#snapshotAtMs =
      awake || snapshotAfterMs === null ? Number.POSITIVE_INFINITY : atMs + snapshotAfterMs;
    this.#suspendAtMs = awake || suspendAfterMs === null ? Number.POSITIVE_INFINITY : atMs + suspendAfterMs;
    // Suspended only where that comes strictly before the snapshot, as in the engine.
    if (this.#suspendAtMs >= this.#snapshotAtMs) this.#suspendAtMs = Number.POSITIVE_INFINITY;
  }

  /** Lets the time pass. Falling asleep at the very moment of a connection counts as asleep. */
  advance(toMs: number): void {
    if (this.#tier === "running" && toMs >= this.#suspendAtMs) {
      this.#spend(this.#suspendAtMs);
      this.#tier = "suspended";
      this.#sleeps.suspended += 1;
    }
    if ((this.#tier === "running" || this.#tier === "suspended") && toMs >= this.#snapshotAtMs) {
      this.#spend(this.#snapshotAtMs);
      this.#tier = "snapshot";
      this.#sleeps.snapshot += 1;
    }
    this.#spend(toMs);
  }

  #spend(toMs: number): void {
    this.#timeMs[this.#tier] += toMs - this.#cursorMs;
    this.#cursorMs = toMs;
  }

  plan(): FunctionPlan {
    return {
      id: this.#config.id,
      connections: this.#connections,
      foundRunning: this.#foundRunning,
      sleeps: { ...this.#sleeps },
      wakes: { ...this.#wakes },
      timeMs: { ...this.#timeMs },
    };
  }
}

function firstTier(start: PlannedFunction["start"]): Tier {
  switch (start) {
    case "snapshot":
      return "snapshot";
    case "running":
      return "running";
    case "lazy":
      return "uninitialized";
    default:
      return start satisfies never;
  }
}

export class Replay {
  readonly #declared: readonly PlannedFunction[];
  readonly #functions = new Map<string, FunctionReplay>();
  readonly #undeclared = new Map<string, number>();
  #fromMs = 0;
  #toMs = 0;
  #lines = 0;

  constructor(functions: readonly PlannedFunction[]) {
    this.#declared = functions;
  }

  /** Entries come in order of time. The first one is the moment when the functions were started. */
  take(entry: ProfileEntry): void {
    if (this.#lines === 0) {
      this.#fromMs = entry.atMs;
      for (const config of this.#declared)
        this.#functions.set(config.id, new FunctionReplay(config, entry.atMs));
    }
    this.#lines += 1;
    this.#toMs = entry.atMs;
    const found = this.#functions.get(entry.id);
    if (found !== undefined) return found.take(entry);
    if (this.#undeclared.has(entry.id) || this.#undeclared.size < maxUndeclared)
      this.#undeclared.set(entry.id, (this.#undeclared.get(entry.id) ?? 0) + 1);
  }

  /** What came of it, up to the last line. */
  result(): ReplayResult {
    for (const each of this.#functions.values()) each.advance(this.#toMs);
    return {
      fromMs: this.#fromMs,
      toMs: this.#toMs,
      lines: this.#lines,
      functions: [...this.#functions.values()].map((each) => each.plan()),
      undeclared: Object.fromEntries(this.#undeclared),
    };
  }
}
