import fc from "fast-check";
import { describe, test } from "vitest";
import { figuresOf } from "../../../src/commands/plan/figures.ts";
import type { Declared, Measured } from "../../../src/commands/plan/figures.ts";
import { planReport } from "../../../src/commands/plan/report.ts";
import { ConnectionDiff } from "../../../src/engine/plan/connection-diff.ts";
import { mixedQuantile } from "../../../src/engine/plan/quantiles.ts";
import { quantile } from "../../../src/engine/lifecycle/latency-window.ts";
import type { FunctionPlan } from "../../../src/engine/plan/replay.ts";
import type { EngineEvent } from "../../../src/protocol/events.ts";
import { FakeCore, fakeFunction } from "../../helpers/fake-core.ts";

const nothing: Declared = { costs: [], memory: [] };
const hourMs = 3_600_000;

const wakeEvent = (
  seq: number,
  tier: "suspended" | "snapshot",
  totalMs: number,
  functionId = "f",
): EngineEvent => ({
  seq,
  atMs: 0,
  type: "wake",
  cause: "connection",
  seenAtMs: 0,
  phases: {},
  budgetMs: 15,
  criu: null,
  error: null,
  functionId,
  instance: "i",
  tier,
  restoreMs: null,
  totalMs,
  ahead: false,
  overBudget: false,
});

const plan = (changes: Partial<FunctionPlan> = {}): FunctionPlan => ({
  id: "f",
  connections: 10,
  foundRunning: 5,
  sleeps: { suspended: 4, snapshot: 2 },
  wakes: { suspended: 3, snapshot: 1, cold: 0 },
  timeMs: { running: hourMs, suspended: hourMs, snapshot: 2 * hourMs, uninitialized: 0 },
  ...changes,
});

const measured = (changes: Parameters<typeof fakeFunction>[1], events: readonly EngineEvent[]): Measured => ({
  view: new FakeCore("e", [fakeFunction("f", changes)]).view(),
  wakes: events.filter((event) => event.type === "wake"),
  events,
});

const report = (declared: Declared, known: Measured | null, each = plan()) =>
  planReport(
    { profile: "p", config: "c" },
    { fromMs: 0, toMs: 4 * hourMs, lines: 10, functions: [each], undeclared: {} },
    (id) => figuresOf({ id }, declared, known),
  ).functions[0];

describe("figures", () => {
  test("nothing measured and nothing declared is unknown, never a number", ({ expect }) => {
    const found = report(nothing, null);
    expect(found?.cost.suspended).toEqual({ wakes: 3, p50Ms: null, p99Ms: null, source: "unknown" });
    expect(found?.cost.all).toEqual({ wakes: 4, p50Ms: null, p99Ms: null, source: "unknown" });
    expect(found?.saved).toMatchObject({ averageBytes: null, byteHours: null });
  });

  test("the engine's own wakes, by function and tier, with how many there were", ({ expect }) => {
    const events = [
      wakeEvent(0, "suspended", 0.4),
      wakeEvent(1, "suspended", 0.6),
      wakeEvent(2, "snapshot", 9),
      wakeEvent(3, "snapshot", 99, "other"),
    ];
    const found = report(nothing, measured({}, events));
    expect(found?.cost.suspended).toMatchObject({
      p50Ms: 0.4,
      p99Ms: 0.6,
      source: expect.stringContaining("2 wakes") as string,
    });
    expect(found?.cost.snapshot).toMatchObject({
      p50Ms: 9,
      source: expect.stringContaining("1 wake ") as string,
    });
    expect(found?.cost.all).toMatchObject({ wakes: 4, p50Ms: 0.6, p99Ms: 9 });
  });

  test("what is declared counts before what was measured, for one function before all", ({ expect }) => {
    const costs = [
      { id: null, tier: "snapshot", p50Ms: 8, p99Ms: 12 },
      { id: "f", tier: "snapshot", p50Ms: 7, p99Ms: 11 },
    ] as const;
    const found = report({ costs, memory: [] }, measured({}, [wakeEvent(0, "snapshot", 50)]));
    expect(found?.cost.snapshot).toEqual({ wakes: 1, p50Ms: 7, p99Ms: 11, source: "declared" });
    // Of quantiles no quantile of all can be made.
    expect(found?.cost.all.p50Ms).toBeNull();
  });

  test("memory saved is what it would use, less what its snapshot takes", ({ expect }) => {
    const snapshot = {
      atMs: 0,
      sizeBytes: 10,
      golden: false,
      image: "stock",
      imageReason: "",
      dumpMs: 1,
      trialMs: null,
    } as const;
    const known = measured({ awakeMemoryBytes: 100, snapshot }, []);
    expect(report(nothing, known)?.saved).toMatchObject({ byteHours: 2 * 100 - 2 * 10, averageBytes: 45 });
    const reclaim: EngineEvent = {
      seq: 0,
      atMs: 0,
      type: "reclaim",
      functionId: "f",
      instance: "i",
      beforeBytes: 100,
      reclaimedBytes: 60,
      durationMs: 1,
      interrupted: false,
    };
    expect(report(nothing, { ...known, events: [reclaim] })?.saved.byteHours).toBe(180 + 60);
    expect(report({ costs: [], memory: [{ id: null, bytes: 1_000 }] }, known)?.saved.byteHours).toBe(
      2_000 - 20,
    );
    // Its snapshot's size is not known: neither is what it saves.
    expect(report(nothing, measured({ awakeMemoryBytes: 100 }, []))?.saved.byteHours).toBeNull();
  });
});

describe("mixed quantiles", () => {
  const values = fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 30 });

  test("of one kind are plain quantiles; of equal kinds those of both together", ({ expect }) => {
    fc.assert(
      fc.property(values, fc.constantFrom(0.5, 0.9, 0.99), (all, q) => {
        const plain = quantile(
          all.toSorted((left, right) => left - right),
          q,
        );
        expect(mixedQuantile([{ values: all, weight: 7 }], q)).toBe(plain);
        expect(
          mixedQuantile(
            [
              { values: all, weight: all.length },
              { values: [], weight: 0 },
            ],
            q,
          ),
        ).toBe(plain);
        expect(
          mixedQuantile(
            [
              { values: all, weight: all.length },
              { values: all, weight: all.length },
            ],
            q,
          ),
        ).toBe(
          quantile(
            [...all, ...all].toSorted((left, right) => left - right),
            q,
          ),
        );
      }),
    );
  });

  test("lie between the values, and are unknown where a part is", ({ expect }) => {
    fc.assert(
      fc.property(values, values, fc.integer({ min: 1, max: 9 }), (one, two, weight) => {
        const mixed = mixedQuantile(
          [
            { values: one, weight },
            { values: two, weight: 3 },
          ],
          0.5,
        );
        expect([...one, ...two]).toContain(mixed);
        expect(
          mixedQuantile(
            [
              { values: one, weight },
              { values: [], weight: 1 },
            ],
            0.5,
          ),
        ).toBeNull();
      }),
    );
  });
});

describe("recording", () => {
  test("tells every connection once, in order of time, and the last known open ones", ({ expect }) => {
    const step = fc.record({
      id: fc.constantFrom("a", "b"),
      opened: fc.nat({ max: 3 }),
      closed: fc.nat({ max: 3 }),
      lag: fc.integer({ min: 0, max: 90 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 20 }), (samples) => {
        const counts = new Map(
          ["a", "b"].map((id) => [id, { id, opened: 5, open: 0, lastChangeMs: null as number | null }]),
        );
        const diff = new ConnectionDiff();
        let atMs = 1_000;
        const all = diff.entries({ atMs, functions: [...counts.values()].map((each) => ({ ...each })) });
        expect(all).toEqual([]);
        let openedInAll = 0;
        for (const steps of samples) {
          atMs += 100;
          for (const { id, opened, closed, lag } of steps) {
            const each = counts.get(id);
            if (each === undefined || opened + closed === 0) continue;
            each.opened += opened;
            each.open = Math.max(0, each.open + opened - closed);
            each.lastChangeMs = atMs - lag;
            openedInAll += opened;
          }
          all.push(...diff.entries({ atMs, functions: [...counts.values()].map((each) => ({ ...each })) }));
        }
        expect(all.reduce((sum, { opened }) => sum + opened, 0)).toBe(openedInAll);
        expect(all.map((each) => each.atMs)).toEqual(
          all.map((each) => each.atMs).toSorted((left, right) => left - right),
        );
        for (const [id, { open }] of counts)
          expect(all.findLast((each) => each.id === id)?.open ?? 0).toBe(open);
      }),
    );
  });

  test("a wake that no counter tells is told once", ({ expect }) => {
    const diff = new ConnectionDiff();
    diff.entries({ atMs: 1_000, functions: [{ id: "a", opened: 0, open: 0, lastChangeMs: null }] });
    expect(diff.uncounted("a", 1_050)).toEqual({ atMs: 1_050, id: "a", opened: 1, open: 0 });
    diff.entries({ atMs: 1_200, functions: [{ id: "a", opened: 1, open: 0, lastChangeMs: 1_150 }] });
    expect(diff.uncounted("a", 1_140)).toBeNull();
  });
});
