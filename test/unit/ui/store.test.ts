import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StreamMessage } from "../../../src/protocol/control.ts";
import type { FunctionView } from "../../../src/protocol/views.ts";
import { plainText, lineWidth } from "../../../src/ui/format/line.ts";
import type { Action } from "../../../src/ui/store/actions.ts";
import { maxEvents, maxWakes, maxWakesPerFunction } from "../../../src/ui/store/data.ts";
import { moveFeed, newFeed, startOf } from "../../../src/ui/store/feed.ts";
import type { FeedSource } from "../../../src/ui/store/feed.ts";
import { layoutOf } from "../../../src/ui/store/layout.ts";
import { maxLogLines } from "../../../src/ui/store/logs.ts";
import { initialState, reduce } from "../../../src/ui/store/reduce.ts";
import { selectedFunction, sortFunctions, tableRows } from "../../../src/ui/store/select.ts";
import { sortKeys, viewIds } from "../../../src/ui/store/types.ts";
import type { ConsoleState } from "../../../src/ui/store/types.ts";
import { dividerLine, lowerLines, mainLines } from "../../../src/ui/views/main.ts";
import {
  asleep,
  fakeEngineView,
  fakeFigures,
  fakeFunction,
  fakeInvocation,
  fakePackets,
  fakeWake,
} from "../../helpers/fake-engine-views.ts";

const start = (columns = 100, rows = 30): ConsoleState =>
  initialState("demo", "in-process", { columns, rows, theme: "dark", readOnly: false });
const received = (state: ConsoleState, ...messages: StreamMessage[]): ConsoleState =>
  reduce(state, { type: "received", messages });
const withFunctions = (state: ConsoleState, functions: readonly FunctionView[]): ConsoleState =>
  received(state, { type: "state", state: fakeEngineView(functions) });
const many = (count: number): FunctionView[] =>
  Array.from({ length: count }, (_, index) => fakeFunction(`fn-${index}`, index));
const logMessage = (count: number, id = "api"): StreamMessage => ({
  type: "logs",
  lines: Array.from({ length: count }, (_, seq) => ({
    seq,
    atMs: seq,
    functionId: id,
    stream: "stdout" as const,
    text: `line ${seq}`,
  })),
});

describe("bounds", () => {
  test("logs are bounded as a whole and per function, and a chatty function does not push out a quiet one", () => {
    let state = withFunctions(start(), many(40));
    state = received(state, logMessage(3, "fn-1"));
    for (let round = 0; round < 12; round += 1) state = received(state, logMessage(5_000, "fn-2"));
    expect(state.data.logs.all.length).toBe(maxLogLines);
    expect(state.data.logs.byFunction.get("fn-1")?.length).toBe(3);
    expect(state.data.logs.byFunction.get("fn-2")?.length).toBeLessThanOrEqual(2_000);
  });

  test("events and wakes are bounded; progress is not kept", () => {
    let state = withFunctions(start(), many(2));
    for (let seq = 1; seq <= maxEvents + 300; seq += 1) {
      state = received(state, {
        type: "event",
        event: {
          seq,
          atMs: seq,
          ...fakeWake("fn-1"),
        },
      });
    }
    state = received(state, {
      type: "event",
      event: { seq: 9_999, atMs: 1, type: "progress", ready: 1, total: 2 },
    });
    expect(state.data.events.length).toBe(maxEvents);
    expect(state.data.wakes.length).toBe(maxWakes);
    expect(state.data.wakesByFunction.get("fn-1")?.length).toBe(maxWakesPerFunction);
    expect(state.data.events.at(-1)?.type).toBe("wake");
  });

  test("events that come again are taken once", () => {
    const event: StreamMessage = {
      type: "event",
      event: { seq: 5, atMs: 1, type: "notice", functionId: null, text: "hello" },
    };
    expect(received(start(), event, event).data.events.length).toBe(1);
  });

  test("a very long line is cut, and hostile text is made safe on the way in", () => {
    const text = `\u001b]0;x\u0007${"日".repeat(50_000)}`;
    const state = received(start(), {
      type: "logs",
      lines: [{ seq: 1, atMs: 1, functionId: "api", stream: "stderr", text }],
    });
    expect(state.data.logs.all[0]?.text.length).toBeLessThanOrEqual(4_000);
    const hostile = withFunctions(start(), [
      fakeFunction("api", 0, {
        lastError: {
          code: "AE_INTERNAL",
          family: "EngineError",
          kind: "system",
          what: "a\u001b[2Jb",
          why: null,
          hint: null,
          data: {},
          stack: null,
        },
      }),
    ]);
    expect(selectedFunction(hostile)?.lastError?.what).toBe("ab");
  });

  test("toasts are folded and bounded", () => {
    let state = start();
    for (let id = 0; id < 20; id += 1)
      state = reduce(state, {
        type: "toast",
        id,
        level: "info",
        text: id < 10 ? "same" : `text ${id}`,
        error: null,
      });
    expect(state.ui.toasts.length).toBe(5);
    state = reduce(start(), { type: "toast", id: 1, level: "info", text: "same", error: null });
    state = reduce(state, { type: "toast", id: 2, level: "info", text: "same", error: null });
    expect(state.ui.toasts).toMatchObject([{ id: 2, times: 2 }]);
  });
});

describe("the table", () => {
  test("each order is the reverse of its reverse for known values, unknown ones last in both", () => {
    const functions = [
      ...many(12),
      asleep("cold", 3, { restore: { count: 0, lastMs: null, p50Ms: null, p95Ms: null, p99Ms: null } }),
    ];
    for (const sort of sortKeys) {
      expect(sortFunctions(functions, sort, false).toSorted((a, b) => a.id.localeCompare(b.id)).length).toBe(
        13,
      );
    }
    expect(sortFunctions(functions, "last", false).at(-1)?.id).toBe("cold");
    expect(sortFunctions(functions, "last", true).at(-1)?.id).toBe("cold");
    expect(
      sortFunctions(functions, "id", false)
        .map((fn) => fn.id)
        .slice(1, 4),
    ).toEqual(["fn-0", "fn-1", "fn-2"]);
    expect(sortFunctions(functions, "memory", false)[0]?.instances[0]?.memoryBytes).toBe(
      Math.max(...functions.flatMap((fn) => fn.instances.map((instance) => instance.memoryBytes ?? 0))),
    );
  });

  test("the selection stays with its function through sorting and filtering", () => {
    let state = withFunctions(start(), many(50));
    for (let step = 0; step < 7; step += 1) state = reduce(state, { type: "move", move: "down" });
    expect(state.ui.table.selectedId).toBe("fn-7");
    state = reduce(state, { type: "sort", by: 1 });
    state = reduce(state, { type: "reverse" });
    expect(state.ui.table.selectedId).toBe("fn-7");
    expect(tableRows(state)[state.ui.table.selectedIndex]?.id).toBe("fn-7");
  });

  test("when the selected function goes away the next one takes its place", () => {
    let state = withFunctions(start(), many(5));
    state = reduce(state, { type: "move", move: "last" });
    state = withFunctions(state, many(4));
    expect(state.ui.table.selectedId).toBe("fn-3");
    state = withFunctions(state, []);
    expect(state.ui.table.selectedId).toBeNull();
  });
});

describe("feeds", () => {
  const source = (rows: readonly number[]): FeedSource => ({
    count: rows.length,
    numberAt: (index) => index * 3,
    rowsAt: (index) => rows[index] ?? 1,
  });
  const someRows = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 60 });

  test("the window is always full where there is enough to fill it", () => {
    fc.assert(
      fc.property(
        someRows,
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: -30, max: 30 })),
        (rows, height, moves) => {
          let feed = newFeed;
          for (const move of moves) feed = moveFeed(source(rows), feed, move, height);
          const { index, row } = startOf(source(rows), feed, height);
          const left = rows.slice(index).reduce((sum, count) => sum + count, 0) - row;
          const total = rows.reduce((sum, count) => sum + count, 0);
          expect(left).toBeGreaterThanOrEqual(Math.min(height, total));
        },
      ),
    );
  });

  test("down undoes up", () => {
    fc.assert(
      fc.property(
        someRows,
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 10 }),
        (rows, height, by) => {
          const bottom = startOf(source(rows), newFeed, height);
          const there = moveFeed(source(rows), newFeed, -by, height);
          expect(startOf(source(rows), moveFeed(source(rows), there, by, height), height)).toEqual(bottom);
        },
      ),
    );
  });

  test("a feed that stands still does not move when lines are added or dropped", () => {
    let state = withFunctions(start(), many(1));
    state = received(reduce(state, { type: "view", view: "logs" }), logMessage(500, "fn-0"));
    for (let step = 0; step < 100; step += 1) state = reduce(state, { type: "move", move: "up" });
    const before = mainLines(state, layoutOf(state))
      .slice(1)
      .map((each) => plainText(each));
    state = received(state, logMessage(9_600, "fn-0"));
    const after = mainLines(state, layoutOf(state))
      .slice(1)
      .map((each) => plainText(each));
    expect(after).toEqual(before);
  });
});

describe("any session", () => {
  const press = (name: string) => ({ name, text: name.length === 1 ? name : null });
  const action: fc.Arbitrary<Action> = fc.oneof(
    fc.constantFrom<Action>(
      { type: "focus" },
      { type: "zoom" },
      { type: "help" },
      { type: "back" },
      { type: "sort", by: 1 },
      { type: "reverse" },
      { type: "follow" },
      { type: "wrap" },
      { type: "times" },
      { type: "hold" },
      { type: "open-palette" },
      { type: "accept" },
      { type: "close-modal" },
      { type: "open-input", target: "filter" },
      { type: "open-input", target: "search" },
      { type: "pane", pane: "detail" },
      { type: "pane", pane: "logs" },
      { type: "match", direction: 1 },
      { type: "match", direction: -1 },
      { type: "log", change: { to: "choose" } },
      { type: "log", change: { to: "mark" } },
      { type: "log", change: { to: "mark-seek", direction: 1 } },
      { type: "log", change: { to: "clear" } },
      { type: "log", change: { to: "only", functionIds: ["fn-1", "fn-2"] } },
      { type: "palette-move", by: 1 },
      { type: "expand", open: true },
      { type: "expand", open: false },
      { type: "only-selected" },
      { type: "go-to-function" },
      { type: "open-input", target: "event-filter" },
    ),
    fc.constantFrom(...viewIds).map((view): Action => ({ type: "view", view: view as "logs" })),
    fc
      .constantFrom("up", "down", "page-up", "page-down", "half-up", "half-down", "first", "last")
      .map((move): Action => ({ type: "move", move: move as "up" })),
    fc
      .constantFrom("f", "n", "1", "backspace", "left")
      .map((key): Action => ({ type: "type", press: press(key) })),
    fc
      .record({ columns: fc.integer({ min: 0, max: 220 }), rows: fc.integer({ min: 0, max: 70 }) })
      .map((size): Action => ({ type: "resize", ...size })),
    fc.integer({ min: 0, max: 80 }).map((count): Action => ({
      type: "received",
      messages: [{ type: "state", state: fakeEngineView(many(count)) }, logMessage(count, "fn-1")],
    })),
    fc.integer({ min: 1, max: 60 }).map((seq): Action => {
      const failed = { ...fakeWake("fn-2"), type: "wake-failed", error: "AE_RESTORE_FAILED" } as const;
      return {
        type: "received",
        messages: [
          { type: "event", event: { seq, atMs: seq, ...(seq % 5 === 0 ? failed : fakeWake("fn-1")) } },
          { type: "figures", figures: fakeFigures(fakeEngineView(many(seq))) },
          { type: "invocations", records: [fakeInvocation("fn-1", seq)] },
          { type: "tap", target: { port: 8080, interface: null } },
          fakePackets(seq),
        ],
      };
    }),
    fc.string({ unit: "binary" }).map((text): Action => ({
      type: "toast",
      id: 1,
      level: "bad",
      text: "x",
      error: {
        code: "AE_INTERNAL",
        family: "EngineError",
        kind: "system",
        what: "what",
        why: text.replaceAll(/[^ -~]/g, "x").repeat(9),
        hint: "do it",
        data: {},
        stack: null,
      },
    })),
  );

  test("every row is accounted for and none is too wide, at every size", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        let state = start();
        for (const each of actions) {
          state = reduce(state, each);
          const layout = layoutOf(state);
          if (layout.tooSmall) continue;
          const divider = dividerLine(state, layout);
          const used =
            3 +
            layout.main +
            (divider === null ? 0 : 1) +
            layout.lowerRows +
            layout.toast.length +
            layout.drawer.length;
          expect(used).toBe(layout.rows);
          expect(Math.min(layout.main, layout.lowerRows)).toBeGreaterThanOrEqual(0);
          expect(mainLines(state, layout).length).toBeLessThanOrEqual(Math.max(layout.main, 9));
          expect(divider === null ? 0 : lineWidth(divider)).toBeLessThanOrEqual(layout.columns);
          lowerLines(state, layout);
        }
      }),
      { numRuns: 200 },
    );
  });
});
