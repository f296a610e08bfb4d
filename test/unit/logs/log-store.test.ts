import * as fc from "fast-check";
import { describe, test } from "vitest";
import type { LogLine } from "../../../src/protocol/control.ts";
import { LogRing } from "../../../src/engine/logs/log-ring.ts";
import { LogStore } from "../../../src/engine/logs/log-store.ts";

const line = (seq: number, text: string): LogLine => ({
  seq,
  atMs: 0,
  functionId: "f",
  stream: "stdout",
  text,
});
const texts = (lines: readonly LogLine[]): string[] => lines.map((each) => each.text);

describe("LogRing", () => {
  test("keeps the newest lines within both bounds", ({ expect }) => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 60 }), { maxLength: 800 }), (all) => {
        const ring = new LogRing(50, 4096);
        all.forEach((text, seq) => ring.push(line(seq, text)));
        const kept = ring.tail(Infinity);
        expect(kept.length).toBe(ring.size);
        expect(ring.size).toBeLessThanOrEqual(50);
        expect(ring.bytes).toBeLessThanOrEqual(4096);
        expect(texts(kept)).toEqual(all.slice(all.length - kept.length));
      }),
    );
  });

  test("the newest line stays even where it alone is too long", ({ expect }) => {
    const ring = new LogRing(10, 100);
    ring.push(line(0, "short"));
    ring.push(line(1, "x".repeat(500)));
    expect(ring.tail(10)).toHaveLength(1);
  });
});

describe("LogStore", () => {
  test("numbers lines across functions and merges their tails in that order", ({ expect }) => {
    const store = new LogStore({ now: () => 7 });
    store.append("a", "stdout", "one\ntwo\n");
    store.append("b", "engine", "three");
    store.append("a", "stderr", "four\n");
    expect(texts(store.tail(null, 3))).toEqual(["two", "three", "four"]);
    expect(store.tail("a", 10).map((each) => each.seq)).toEqual([0, 1, 3]);
    expect(store.tail("nobody", 10)).toEqual([]);
    expect(store.tail(null, 0)).toEqual([]);
  });

  test("two pipes of one function do not mix half lines", ({ expect }) => {
    const store = new LogStore({ now: () => 0 });
    const [first, second] = [store.open("a", "stdout"), store.open("a", "stdout")];
    first.write(Buffer.from("hel"));
    second.write(Buffer.from("other\n"));
    first.write(Buffer.from("lo"));
    first.end();
    expect(texts(store.tail("a", 10))).toEqual(["other", "hello"]);
  });

  test("subscribers get batches, in order, and a flood does not wait for the timer", async ({ expect }) => {
    const store = new LogStore({ now: () => 0, batchMs: 5 });
    const batches: (readonly LogLine[])[] = [];
    const stop = store.subscribe((lines) => void batches.push(lines));
    for (let count = 0; count < 1300; count += 1) store.append("a", "stdout", `${count}`);
    expect(batches.map((batch) => batch.length)).toEqual([512, 512]);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(batches.flat().map((each) => each.seq)).toEqual([...Array(1300).keys()]);
    stop();
    store.append("a", "stdout", "unseen");
    store.flush();
    expect(batches.flat()).toHaveLength(1300);
  });
});
