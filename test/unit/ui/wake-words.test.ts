import { describe, expect, test } from "vitest";
import type { NumberedWake } from "../../../src/protocol/wakes.ts";
import { lineWidth, plainText } from "../../../src/ui/format/line.ts";
import { dominating, explainWake, usualMs } from "../../../src/ui/views/wake-words.ts";
import { historyLine, phaseLines } from "../../../src/ui/views/waterfall.ts";
import { fakeWake } from "../../helpers/fake-engine-views.ts";

function wake(seq: number, change: Partial<NumberedWake> = {}): NumberedWake {
  const { type: _type, ...record } = fakeWake("api");
  return { ...record, seq, atMs: seq, ...change };
}

describe("a wake in words", () => {
  test("the handshake is before the wake and never dominates it", () => {
    expect(dominating(wake(1, { phases: { handshake: 50_000, thaw: 200 }, totalMs: 0.2 }))?.phase).toBe(
      "thaw",
    );
    expect(dominating(wake(1, { phases: {} }))).toBeNull();
  });

  test("what is usual is the median of other wakes from the same tier that succeeded", () => {
    const others = [wake(1, { totalMs: 5 }), wake(2, { totalMs: 7 }), wake(3, { totalMs: 9 })];
    expect(usualMs(wake(9), others)).toBe(7);
    expect(usualMs(wake(9), others.slice(0, 2))).toBeNull();
    expect(usualMs(wake(9, { tier: "cold" }), others)).toBeNull();
    expect(usualMs(wake(2), [...others, wake(4, { error: "AE_RESTORE_FAILED", totalMs: 900 })])).toBeNull();
  });

  test("nothing restored: the budget does not apply", () => {
    const thawed = wake(1, { tier: "suspended", restoreMs: null, totalMs: 0.3, phases: { thaw: 250 } });
    expect(explainWake(thawed, []).join(" ")).toContain("It was only thawed: nothing was restored");
  });

  test("a slow cold start says what to do", () => {
    const cold = (seq: number, totalMs: number): NumberedWake =>
      wake(seq, { tier: "cold", restoreMs: null, totalMs, phases: { start: totalMs * 1000 } });
    const text = explainWake(cold(9, 900), [cold(1, 200), cold(2, 210), cold(3, 220)]).join(" ");
    expect(text).toContain("That is 4.3 times its usual 210 ms.");
    expect(text).toContain("start: snapshot makes one ahead");
  });
});

describe("the waterfall", () => {
  test.each([40, 60, 80, 109, 110, 160])("%i columns hold every bar, each after the one before", (width) => {
    const lines = phaseLines(wake(1), width);
    expect(lines).toHaveLength(6);
    const starts = lines.map((line) => plainText(line).indexOf("━"));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    for (const line of lines.slice(0, width < 110 ? 6 : 0))
      expect(lineWidth(line)).toBeLessThanOrEqual(width);
  });

  test("the last fifty wakes, those over budget marked", () => {
    const wakes = Array.from({ length: 80 }, (_, index) => wake(index, { overBudget: index === 79 }));
    const line = historyLine(wakes, 160);
    expect(plainText(line)).toContain("50 wakes");
    expect(line.spans.filter(({ role }) => role === "warn")).toHaveLength(1);
  });
});
