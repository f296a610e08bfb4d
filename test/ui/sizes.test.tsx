/** Every view at every size from the least one on: no row is broken, none is missing, whatever functions write. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { textWidth } from "../../src/ui/format/width.ts";
import { asleep, fakeFunction, fakeWake } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";
import type { Running } from "./start-console.ts";

/** Eighteen views, some of them of 10,000 lines, on a machine that may be busy with other tests. */
const patienceMs = 60_000;

const sizes = [
  [60, 15],
  [80, 24],
  [100, 30],
  [160, 50],
  [250, 70],
] as const;

const views: readonly (readonly [name: string, ...presses: string[]])[] = [
  ["functions", "1"],
  ["details", "1", keys.enter],
  ["details zoomed", "z"],
  ["log of one", keys.esc, keys.esc, "l"],
  ["log wrapped", "w"],
  ["logs", keys.esc, "2"],
  ["lines chosen", "v", "k", "v", "k"],
  ["events", keys.esc, "3"],
  ["wakes", "4"],
  ["fifth", "5"],
  ["sixth", "6"],
  ["invocations", "7"],
  ["network", "8"],
  ["packets", "9"],
  ["help", "?"],
  ["palette", keys.esc, ":"],
  ["search", keys.esc, "2", "/", "a"],
  ["a question", keys.esc, keys.esc, "1", "X"],
];

/** The frame fills the screen, its first row is the header, and no row has anything beyond its width. */
async function expectWhole({ screen }: Running, columns: number, rows: number, where: string): Promise<void> {
  const lines = await screen.rows();
  expect(lines, where).toHaveLength(rows);
  expect(lines[0], where).toMatch(/^ aether demo/);
  expect(lines[1], where).toMatch(/1 (Functions|Fns)/);
  for (const line of lines) expect(textWidth(line), where).toBeLessThanOrEqual(columns);
  // A row that runs over would push the hints out of the last row, and the header out of the first.
  expect((lines.at(-1) ?? "").trim(), where).not.toBe("");
}

const mixed = [
  fakeFunction("api", 0),
  asleep("日本語-is-no-id", 1),
  fakeFunction(`long-${"x".repeat(43)}`, 2),
  ...Array.from({ length: 197 }, (_, index) => fakeFunction(`fn-${index}`, index + 3)),
];

test.each(sizes)("every view at %ix%i", { timeout: patienceMs }, async (columns, rows) => {
  await using running = startConsole(columns, rows, { functions: mixed });
  const { screen, engine } = running;
  await screen.see("api");
  engine.logs(
    Array.from(
      { length: 10_000 },
      (_, index) => ["api", `line ${index} ${"日本 ".repeat(index % 90)}`] as const,
    ),
  );
  for (let index = 0; index < 60; index += 1) engine.event(fakeWake(`fn-${index}`));
  for (const [name, ...presses] of views) {
    await screen.press(...presses);
    await expectWhole(running, columns, rows, name);
  }
  expect(await screen.isAlternate()).toBe(true);
});

test("text of any bytes leaves the frame whole, and stays in its rows", { timeout: patienceMs }, async () => {
  await using running = startConsole(80, 24);
  const { screen, engine } = running;
  await screen.see("api");
  await screen.press("2");
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.string({ unit: "grapheme", maxLength: 120 }),
    fc
      .array(
        fc.constantFrom(
          "\u001b[2J",
          "\u001b[H",
          "\u001b]0;x\u0007",
          "\u001bP",
          "\u009b31m",
          "\r",
          "\b",
          "\t",
          "e\u0301\u0301",
          "👩‍👩‍👧",
          "日",
          "\u202e",
          "\ufeff",
          "\u0000",
          "x".repeat(90),
        ),
      )
      .map((parts) => parts.join("")),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(hostile, { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      async (texts, wrap) => {
        if (wrap) await screen.press("w");
        engine.logs(texts.map((text) => ["api", text] as const));
        engine.log("api", "the end of it");
        await screen.see("the end of it");
        await expectWhole(running, 80, 24, JSON.stringify(texts));
        const last = (await screen.rows()).at(-1) ?? "";
        expect(last).toContain("f stand still");
        await screen.press("\u000c");
        await screen.see("The log was cleared.");
      },
    ),
    { numRuns: 8 },
  );
  expect(await screen.isAlternate()).toBe(true);
});

test("in ASCII there is nothing else on the screen", { timeout: patienceMs }, async () => {
  await using running = startConsole(100, 30, { functions: mixed }, { ascii: true });
  const { screen, engine } = running;
  await screen.see("* Running");
  engine.log("api", "naïve ● 日本");
  await screen.press("2");
  await screen.see("naive * ????");
  for (const [, ...presses] of views) {
    await screen.press(...presses);
    expect(await screen.text()).toMatch(/^[ -~\n]*$/);
  }
});
