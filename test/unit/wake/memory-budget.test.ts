import fc from "fast-check";
import { afterEach, beforeEach, describe, test, vi } from "vitest";
import { firstToGo, MemoryBudget } from "../../../src/engine/wake/memory-budget.ts";
import type { IdleFunction } from "../../../src/engine/wake/memory-budget.ts";

const idleFunction = fc.record({
  tier: fc.constantFrom("suspended", "running"),
  memoryBytes: fc.nat({ max: 100 }),
  lastUsedMs: fc.nat({ max: 50 }),
  mayGoDown: fc.boolean(),
});
const idleFunctions: fc.Arbitrary<IdleFunction[]> = fc
  .array(idleFunction, { maxLength: 12 })
  .map((all) => all.map((each, index) => ({ ...each, id: `f${index}` })));

const sum = (all: readonly IdleFunction[]): number =>
  all.reduce((total, each) => total + each.memoryBytes, 0);

describe("who goes first", () => {
  test("nobody while the budget holds; above it one that may, if there is one", ({ expect }) => {
    fc.assert(
      fc.property(idleFunctions, fc.nat({ max: 600 }), (all, budget) => {
        const first = firstToGo(all, budget);
        const may = all.filter(({ mayGoDown }) => mayGoDown);
        expect(first !== null).toBe(sum(all) > budget && may.length > 0);
      }),
    );
  });

  test("never a running one before a suspended one, nor one used later before one used earlier", ({
    expect,
  }) => {
    fc.assert(
      fc.property(idleFunctions, (all) => {
        const first = all.find(({ id }) => id === firstToGo(all, -1));
        for (const other of all.filter(({ mayGoDown }) => mayGoDown)) {
          const rank = ({ tier, lastUsedMs }: IdleFunction): number =>
            (tier === "running" ? 1_000 : 0) + lastUsedMs;
          expect(first === undefined ? Number.NaN : rank(first)).toBeLessThanOrEqual(rank(other));
        }
      }),
    );
  });

  test("taken down one by one, it ends within the budget or with none that may go, and takes none too many", ({
    expect,
  }) => {
    fc.assert(
      fc.property(idleFunctions, fc.nat({ max: 600 }), (all, budget) => {
        let left = all;
        let last: IdleFunction | undefined;
        for (let id = firstToGo(left, budget); id !== null; id = firstToGo(left, budget)) {
          last = left.find((each) => each.id === id);
          left = left.filter((each) => each.id !== id);
        }
        expect(sum(left) <= budget || left.every(({ mayGoDown }) => !mayGoDown)).toBe(true);
        if (last !== undefined) expect(sum(left) + last.memoryBytes).toBeGreaterThan(budget);
      }),
    );
  });
});

describe("the budget over time", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function world(
    start: IdleFunction[],
    budgetBytes: number | null,
    demotes: (id: string) => boolean = () => true,
  ) {
    const state = { idle: start, tried: [] as string[], notices: [] as string[] };
    const budget = new MemoryBudget({
      budgetBytes,
      idleFunctions: () => state.idle,
      demote: (id) => {
        state.tried.push(id);
        if (demotes(id)) state.idle = state.idle.filter((each) => each.id !== id);
        return Promise.resolve(demotes(id));
      },
      notice: (text) => state.notices.push(text),
      monotonic: () => Date.now(),
    });
    return { state, budget };
  }
  const one = (id: string, memoryBytes: number, lastUsedMs = 0): IdleFunction => ({
    id,
    tier: "running",
    memoryBytes,
    lastUsedMs,
    mayGoDown: true,
  });

  test("has one timer at most, whatever happens, and none while nothing is awake", async ({ expect }) => {
    const { state, budget } = world([one("a", 10)], 100);
    for (let change = 0; change < 1_000; change++) budget.note();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(vi.getTimerCount()).toBe(1);
    state.idle = [];
    await vi.advanceTimersByTimeAsync(5_000);
    expect(vi.getTimerCount()).toBe(0);
    budget.note();
    expect(vi.getTimerCount()).toBe(1);
    budget[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("memory that grows is noticed without a change that told it", async ({ expect }) => {
    const { state, budget } = world([one("a", 10)], 100);
    budget.note();
    await vi.advanceTimersByTimeAsync(100);
    state.idle = [one("a", 110)];
    await vi.advanceTimersByTimeAsync(1_500);
    expect(state.tried).toEqual(["a"]);
  });

  test("one that does not go down is left alone for a while, the next is tried, and that is told once", async ({
    expect,
  }) => {
    const { state, budget } = world([one("a", 60, 1), one("b", 60, 2)], 50, (id) => id === "b");
    budget.note();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(state.tried).toEqual(["a", "b"]);
    expect(state.notices).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(state.tried).toEqual(["a", "b", "a"]);
    expect(state.notices).toHaveLength(1);
  });

  test("no budget, no timer; one that is given later is in force", async ({ expect }) => {
    const { state, budget } = world([one("a", 60)], null);
    budget.note();
    expect(vi.getTimerCount()).toBe(0);
    budget.resize(10);
    await vi.advanceTimersByTimeAsync(100);
    expect(state.tried).toEqual(["a"]);
    budget.resize(null);
    expect(vi.getTimerCount()).toBe(0);
  });
});
