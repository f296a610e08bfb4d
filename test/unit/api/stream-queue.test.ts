import * as fc from "fast-check";
import { describe, test } from "vitest";
import { StreamQueue } from "../../../src/engine/api/stream-queue.ts";
import type { CoreChange } from "../../../src/engine/api/control-core.ts";
import type { LogLine, StreamMessage } from "../../../src/protocol/control.ts";
import type { EngineEvent } from "../../../src/protocol/events.ts";
import { FakeCore } from "../../helpers/fake-core.ts";

const all = { state: "all", events: true, logs: "*", invocations: true } as const;
const view = new FakeCore().view();
const event = (seq: number): CoreChange => ({
  type: "event",
  event: { type: "progress", ready: 0, total: 1, seq, atMs: seq },
});
const logs = (seqs: readonly number[], text = "x", functionId = "f"): CoreChange => ({
  type: "logs",
  lines: seqs.map((seq) => ({ seq, atMs: seq, functionId, stream: "stdout", text })),
});

function takeAll(queue: StreamQueue, nowMs = 0): StreamMessage[] {
  const messages: StreamMessage[] = [];
  for (let next = queue.take(nowMs); next !== null; next = queue.take(nowMs)) messages.push(next);
  return messages;
}

describe("StreamQueue", () => {
  test("states are coalesced to the newest and come at most four times a second", ({ expect }) => {
    const queue = new StreamQueue({ filter: all });
    const states = [1, 2, 3].map((readyCount) => new FakeCore(`at ${readyCount}`).view());
    for (const state of states) queue.push({ type: "state", state });
    expect(takeAll(queue, 1000)).toEqual([{ type: "state", state: states[2] }]);
    queue.push({ type: "state", state: view });
    expect(takeAll(queue, 1249)).toEqual([]);
    expect(queue.stateDueAtMs()).toBe(1250);
    expect(takeAll(queue, 1250)).toHaveLength(1);
    expect(queue.stateDueAtMs()).toBeNull();
  });

  test("a reader that has no use for the functions gets the engine's own state", ({ expect }) => {
    const queue = new StreamQueue({ filter: { ...all, state: "engine" } });
    queue.push({ type: "state", state: new FakeCore("f").view() });
    expect(takeAll(queue)).toEqual([
      { type: "state", state: { ...new FakeCore("f").view(), functions: [] } },
    ]);
  });

  test("a reader that is too slow loses the oldest and is told how many", ({ expect }) => {
    const queue = new StreamQueue({ filter: all, maxEntries: 3 });
    for (let seq = 0; seq < 10; seq += 1) queue.push(event(seq));
    expect(takeAll(queue)).toMatchObject([
      { event: { type: "notice", seq: 6, text: "7 events left out: this reader is too slow" } },
      { event: { seq: 7 } },
      { event: { seq: 8 } },
      { event: { seq: 9 } },
    ]);
    queue.push(logs([0, 1, 2, 3, 4]));
    expect(takeAll(queue)).toMatchObject([
      { lines: [{ seq: 1, stream: "engine", text: "2 lines left out: this reader is too slow" }] },
      { lines: [{ seq: 2 }, { seq: 3 }, { seq: 4 }] },
    ]);
    expect(takeAll(queue)).toEqual([]);
  });

  test("whatever comes, it stays within its bounds, keeps order and accounts for every record", ({
    expect,
  }) => {
    const step = fc.oneof(fc.constant("event"), fc.constant("take"), fc.string({ maxLength: 400 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queue = new StreamQueue({ filter: all, maxEntries: 20, maxBytes: 8192 });
        const out: StreamMessage[] = [];
        let pushed = 0;
        for (const next of steps) {
          if (next === "take") out.push(...[queue.take(0)].filter((message) => message !== null));
          else queue.push(next === "event" ? event(pushed) : logs([pushed], next));
          if (next !== "take") pushed += 1;
          expect(queue.pending.entries).toBeLessThanOrEqual(20);
          expect(queue.pending.bytes).toBeLessThanOrEqual(8192);
        }
        out.push(...takeAll(queue));
        const records = out.flatMap((m): (EngineEvent | LogLine)[] =>
          m.type === "event" ? [m.event] : m.type === "logs" ? [...m.lines] : [],
        );
        const isNotice = (text: string): boolean => text.endsWith("left out: this reader is too slow");
        const told = records.map((record) =>
          "text" in record && isNotice(record.text) ? Number.parseInt(record.text, 10) : 1,
        );
        expect(told.reduce((sum, count) => sum + count, 0)).toBe(pushed);
        for (const kind of ["event", "logs"] as const) {
          const seqs = out.flatMap((m) =>
            m.type !== kind ? [] : m.type === "event" ? [m.event.seq] : m.lines.map((line) => line.seq),
          );
          expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        }
      }),
    );
  });

  test("a huge batch is cut into messages of bounded size", ({ expect }) => {
    const queue = new StreamQueue({ filter: all });
    queue.push(logs([...Array(100).keys()], "y".repeat(4000)));
    const messages = takeAll(queue);
    expect(messages.length).toBeGreaterThan(5);
    for (const message of messages) expect(JSON.stringify(message).length).toBeLessThan(100_000);
  });

  test("lines that came with the history do not come again with the batch that was under way", ({
    expect,
  }) => {
    const queue = new StreamQueue({ filter: all });
    queue.push(logs([4, 5]));
    queue.push(logs([3, 4, 5, 6]));
    queue.push(event(1));
    queue.push(event(1));
    expect(takeAll(queue)).toMatchObject([
      { lines: [{ seq: 4 }, { seq: 5 }, { seq: 6 }] },
      { event: { seq: 1 } },
    ]);
  });

  test("takes only what the filter asks for", ({ expect }) => {
    const queue = new StreamQueue({ filter: { state: null, events: false, logs: "a", invocations: false } });
    queue.push({ type: "state", state: view });
    queue.push(event(0));
    queue.push(logs([1], "x", "b"));
    queue.push(logs([2], "x", "a"));
    expect(takeAll(queue)).toMatchObject([{ type: "logs", lines: [{ seq: 2 }] }]);
  });
});
