import * as fc from "fast-check";
import { describe, test } from "vitest";
import { EventLog } from "../../../src/engine/event-log.ts";

describe("EventLog", () => {
  test("keeps the newest events, numbered without gaps", ({ expect }) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(80), fc.nat(40), (capacity, count, tail) => {
        let clock = 100;
        const log = new EventLog({ now: () => (clock += 1), capacity });
        for (let index = 0; index < count; index += 1)
          log.append({ type: "progress", ready: index, total: count });
        const seqs = log.tail(tail).map((event) => event.seq);
        const expected = Math.min(tail, count, capacity);
        expect(seqs).toEqual(Array.from({ length: expected }, (_, index) => count - expected + index));
        for (const event of log.tail(tail)) expect(event.atMs).toBe(101 + event.seq);
      }),
    );
  });

  test("tells subscribers until they leave, also when one leaves while being told", ({ expect }) => {
    const log = new EventLog({ now: () => 0 });
    const seen: string[] = [];
    const stopFirst = log.subscribe((event) => {
      seen.push(`first ${event.seq}`);
      stopFirst();
    });
    log.subscribe((event) => void seen.push(`second ${event.seq}`));
    log.append({ type: "notice", functionId: null, text: "a" });
    log.append({ type: "notice", functionId: null, text: "b" });
    expect(seen).toEqual(["first 0", "second 0", "second 1"]);
  });
});
