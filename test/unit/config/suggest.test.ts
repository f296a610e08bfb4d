import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearest } from "../../../src/engine/config/suggest.ts";

const keys = ["id", "command", "trigger_port", "ready", "ready_timeout", "env", "on_violation"];

describe("nearest", () => {
  it.each([
    ["comand", "command"],
    ["triggerPort", "trigger_port"],
    ["trigger-port", "trigger_port"],
    ["on_voilation", "on_violation"],
    ["evn", "env"],
    ["ID", "id"],
    ["frobnicate", null],
    ["x".repeat(100_000), null],
    ["", null],
  ])("knows what %j was meant to be", (word, expected) => {
    expect(nearest(word, keys)).toBe(expected);
  });
});

describe("editDistance", () => {
  it("counts a swap as one edit", () => {
    expect(editDistance("evn", "env")).toBe(1);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });

  it("is symmetric, zero only for equals, and bounded by the longer word", () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  it("is the same below a limit, and not below it otherwise", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
    fc.assert(
      fc.property(word, word, fc.nat(9), (a, b, limit) => {
        const distance = editDistance(a, b);
        const limited = editDistance(a, b, limit);
        if (distance < limit) expect(limited).toBe(distance);
        else expect(limited).toBeGreaterThanOrEqual(limit);
      }),
      { numRuns: 1_000 },
    );
  });
});
