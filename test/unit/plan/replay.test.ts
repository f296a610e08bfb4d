import fc from "fast-check";
import { describe, test } from "vitest";
import { Replay } from "../../../src/engine/plan/replay.ts";
import type { FunctionPlan, PlannedFunction } from "../../../src/engine/plan/replay.ts";
import type { ProfileEntry } from "../../../src/engine/plan/profile-line.ts";

const entry = (atMs: number, opened = 1, open = 0, id = "f"): ProfileEntry => ({ atMs, id, opened, open });

function replay(config: Partial<PlannedFunction>, entries: readonly ProfileEntry[]): FunctionPlan {
  const idle = { suspendAfterMs: 30, snapshotAfterMs: 300, ignoreOpen: false, reclaim: false };
  const run = new Replay([{ id: "f", start: "snapshot", idle, ...config }]);
  for (const each of entries) run.take(each);
  const [plan] = run.result().functions;
  if (plan === undefined) throw new Error("no function");
  return plan;
}

const limit = fc.option(fc.integer({ min: 1, max: 60 }));
const idles = fc.record({
  suspendAfterMs: limit,
  snapshotAfterMs: limit,
  ignoreOpen: fc.boolean(),
  reclaim: fc.boolean(),
});
const functions = fc.record<PlannedFunction>({
  id: fc.constant("f"),
  idle: idles,
  start: fc.constantFrom("snapshot", "running", "lazy"),
});
const traffic = fc
  .array(
    fc.record({ gap: fc.integer({ min: 0, max: 80 }), opened: fc.nat({ max: 2 }), open: fc.nat({ max: 2 }) }),
    { minLength: 1, maxLength: 30 },
  )
  .map((steps) => {
    let atMs = 0;
    return steps.map(({ gap, opened, open }) => entry((atMs += gap), opened, open));
  });

/** The same policy told millisecond by millisecond, as a person would. */
function byHand(config: PlannedFunction, entries: readonly ProfileEntry[]) {
  const { suspendAfterMs, snapshotAfterMs, ignoreOpen } = config.idle;
  let tier = config.start === "snapshot" ? "snapshot" : config.start === "lazy" ? "uninitialized" : "running";
  let open = 0;
  let last = 0;
  const sleeps = { suspended: 0, snapshot: 0 };
  const wakes: Record<string, number> = { suspended: 0, snapshot: 0, uninitialized: 0 };
  const timeMs: Record<string, number> = { running: 0, suspended: 0, snapshot: 0, uninitialized: 0 };
  const end = entries.at(-1)?.atMs ?? 0;
  const first = entries[0]?.atMs ?? 0;
  last = first;
  for (let now = first; now <= end; now++) {
    const mayRest = open === 0 || ignoreOpen;
    const idleMs = now - last;
    if (mayRest && tier === "running" && suspendAfterMs !== null && idleMs >= suspendAfterMs) {
      if (snapshotAfterMs === null || suspendAfterMs < snapshotAfterMs) {
        tier = "suspended";
        sleeps.suspended += 1;
      }
    }
    if (
      mayRest &&
      (tier === "running" || tier === "suspended") &&
      snapshotAfterMs !== null &&
      idleMs >= snapshotAfterMs
    ) {
      tier = "snapshot";
      sleeps.snapshot += 1;
    }
    const due = entries.filter(({ atMs }) => atMs === now);
    for (const each of due) {
      const more = Math.max(each.opened, each.open - open);
      const ended = more === 0 && each.open < open;
      open = each.open;
      if (more > 0 || (ended && ignoreOpen && tier === "suspended")) {
        if (tier !== "running") wakes[tier] = (wakes[tier] ?? 0) + 1;
        tier = "running";
        last = now;
      } else if (ended && tier === "running") last = now;
    }
    if (now < end) {
      // Falling asleep at `last + limit` belongs to the time before it.
      timeMs[tier] = (timeMs[tier] ?? 0) + 1;
    }
  }
  return {
    sleeps,
    wakes: { suspended: wakes["suspended"], snapshot: wakes["snapshot"], cold: wakes["uninitialized"] },
    timeMs,
  };
}

describe("replay", () => {
  test("sleeps and wakes by tier, with the time in each", ({ expect }) => {
    expect(replay({}, [entry(1_000), entry(1_010), entry(1_100), entry(2_000)])).toEqual({
      id: "f",
      connections: 4,
      foundRunning: 1,
      sleeps: { suspended: 2, snapshot: 1 },
      wakes: { suspended: 1, snapshot: 2, cold: 0 },
      timeMs: { running: 10 + 30 + 30, suspended: 60 + 270, snapshot: 600, uninitialized: 0 },
    });
  });

  test("an open connection keeps it awake until a later line ends it", ({ expect }) => {
    const plan = replay({}, [entry(0, 1, 1), entry(1_000, 0, 0), entry(1_100)]);
    expect(plan).toMatchObject({
      sleeps: { suspended: 1, snapshot: 0 },
      wakes: { suspended: 1, snapshot: 1 },
    });
    expect(plan.timeMs).toEqual({ running: 1_030, suspended: 70, snapshot: 0, uninitialized: 0 });
  });

  test("lazy starts cold once, and sleeps as a snapshot from then on", ({ expect }) => {
    expect(replay({ start: "lazy" }, [entry(0), entry(1_000)])).toMatchObject({
      wakes: { suspended: 0, snapshot: 1, cold: 1 },
    });
  });

  test("undeclared functions are counted, not mixed in", ({ expect }) => {
    const run = new Replay([]);
    run.take(entry(0, 1, 0, "other"));
    run.take(entry(5, 1, 0, "other"));
    expect(run.result()).toEqual({ fromMs: 0, toMs: 5, lines: 2, functions: [], undeclared: { other: 2 } });
  });

  test("is the policy told millisecond by millisecond", ({ expect }) => {
    fc.assert(
      fc.property(functions, traffic, (config, entries) => {
        const { sleeps, wakes, timeMs } = replay(config, entries);
        expect({ sleeps, wakes, timeMs }).toEqual(byHand(config, entries));
      }),
      { numRuns: 500 },
    );
  });

  test("accounts for every connection and every millisecond", ({ expect }) => {
    fc.assert(
      fc.property(functions, traffic, (config, entries) => {
        const plan = replay(config, entries);
        const span = (entries.at(-1)?.atMs ?? 0) - (entries[0]?.atMs ?? 0);
        expect(Object.values(plan.timeMs).reduce((sum, ms) => sum + ms, 0)).toBe(span);
        expect(Math.min(...Object.values(plan.timeMs))).toBeGreaterThanOrEqual(0);
        const { suspended, snapshot, cold } = plan.wakes;
        expect(suspended).toBeLessThanOrEqual(plan.sleeps.suspended);
        expect(snapshot).toBeLessThanOrEqual(plan.sleeps.snapshot + (config.start === "snapshot" ? 1 : 0));
        expect(cold).toBeLessThanOrEqual(config.start === "lazy" ? 1 : 0);
        expect(plan.foundRunning).toBeLessThanOrEqual(plan.connections);
        if (!config.idle.ignoreOpen)
          expect(plan.foundRunning + suspended + snapshot + cold).toBe(plan.connections);
      }),
    );
  });

  test("never means never, and a longer limit never makes more snapshots", ({ expect }) => {
    fc.assert(
      fc.property(functions, traffic, fc.nat({ max: 40 }), (config, entries, more) => {
        const with_ = (snapshotAfterMs: number | null): FunctionPlan =>
          replay({ ...config, idle: { ...config.idle, snapshotAfterMs } }, entries);
        expect(with_(null).sleeps.snapshot).toBe(0);
        const { snapshotAfterMs } = config.idle;
        if (snapshotAfterMs === null || config.idle.ignoreOpen) return;
        expect(with_(snapshotAfterMs + more).sleeps.snapshot).toBeLessThanOrEqual(
          with_(snapshotAfterMs).sleeps.snapshot,
        );
      }),
    );
  });
});
