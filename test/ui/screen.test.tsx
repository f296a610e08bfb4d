/** The console on a real screen: sizes, resize, long lists, hostile text. */
import { expect, test } from "vitest";
import { asleep, fakeFunction } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

const many = (count: number) =>
  Array.from({ length: count }, (_, index) => fakeFunction(`fn-${String(index).padStart(3, "0")}`, index));

test.each([
  [60, 15],
  [80, 24],
  [100, 30],
  [160, 50],
])("fills %ix%i with the header at the top and the hints at the bottom", async (columns, rows) => {
  await using running = startConsole(columns, rows);
  const { screen } = running;
  await screen.see("api");
  const lines = await screen.rows();
  expect(lines).toHaveLength(rows);
  expect(lines[0]).toMatch(/^ aether demo {2}in this process/);
  expect(lines[0]).toMatch(/● running *$/);
  expect(lines[2]).toContain("FUNCTION");
  expect(lines.at(-1)).toContain("q quit");
  expect(await screen.isAlternate()).toBe(true);
});

test("says in one sentence that a terminal is too small, and comes back when it grows", async () => {
  await using running = startConsole(20, 5);
  const { screen } = running;
  await screen.see("Aether needs 60x15;");
  screen.resize(80, 24);
  await screen.see("FUNCTION");
  screen.resize(40, 10);
  await screen.see("this terminal has");
  expect(await screen.text()).not.toContain("FUNCTION");
});

test("draws at any size, nothing included, and never throws", async () => {
  await using running = startConsole(80, 24);
  const { screen } = running;
  await screen.see("api");
  await screen.press(keys.enter);
  for (const [columns, rows] of [
    [0, 0],
    [1, 1],
    [3, 1],
    [59, 15],
    [60, 14],
    [60, 15],
    [200, 60],
    [61, 16],
    [300, 15],
    [60, 100],
  ] as const) {
    screen.resize(columns, rows);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  screen.resize(80, 24);
  await screen.see("api details");
  expect((await screen.rows()).at(-1)).toContain("q quit");
});

test("leaves no remains of the old size after a resize", async () => {
  await using running = startConsole(160, 50, { functions: many(60) });
  const { screen } = running;
  await screen.see("fn-040");
  screen.resize(80, 24);
  await screen.see(/fn-018[^]*q quit/);
  const lines = await screen.rows();
  expect(lines[0]).toContain("aether demo");
  expect(lines.filter((line) => line.includes("FUNCTION"))).toHaveLength(1);
  expect(lines.at(-1)).toContain("q quit");
});

test("shows a window of 200 functions and moves in it", async () => {
  await using running = startConsole(100, 30, { functions: many(200) });
  const { screen } = running;
  await screen.see("fn-024");
  expect(await screen.text()).not.toContain("fn-030");
  await screen.press("G");
  await screen.see("fn-199");
  await screen.press("g", keys.pageDown);
  await screen.see(/▌ +fn-024/);
  await screen.press("jjj");
  await screen.see(/▌ +fn-027/);
});

test("shows a window of 10,000 log lines, follows, stands still, searches", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  engine.logs(Array.from({ length: 10_000 }, (_, index) => ["api", `line ${index}`] as const));
  await screen.press("2");
  await screen.see("line 9999");
  await screen.press("k");
  await screen.see("standing still");
  engine.log("api", "the newest of all");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await screen.text()).not.toContain("the newest of all");
  await screen.press("/", "line 4321", keys.enter);
  await screen.see("1 of 1");
  expect(await screen.text()).toContain("line 4321");
  await screen.press("G");
  await screen.see("the newest of all");
});

test("hostile output cannot leave its row", async () => {
  await using running = startConsole(80, 24);
  const { screen, engine } = running;
  await screen.see("api");
  engine.log("api", "clear \u001b[2J\u001b[H\u001b[?1049l screen");
  engine.log("api", "title \u001b]0;owned\u0007 \u009b31mred\u009b0m back\rspace\b\b tab\tend");
  engine.log("api", `right to left \u202edetrevni \u2066x ${"日本語".repeat(60)}`);
  engine.log("api", `zalgo ${"e\u0301\u0301\u0301\u0301\u0301".repeat(30)} \ud800 lone`);
  engine.log("api", "\n\n\nlines\r\nmore");
  await screen.press("l");
  await screen.see("lone");
  const lines = await screen.rows();
  expect(lines[0]).toContain("aether demo");
  expect(lines[1]).toContain("1 Functions");
  expect(lines.at(-1)).toContain("f stand still");
  expect(lines.some((line) => line.includes("clear  screen"))).toBe(true);
  expect(lines.some((line) => line.includes("日本語日本語"))).toBe(true);
  await screen.press("w");
  await screen.see("wrapped");
  expect((await screen.rows()).at(-1)).toContain("f stand still");
  expect(await screen.isAlternate()).toBe(true);
  expect(screen.written()).not.toContain("owned");
});

test("an error with long texts fits every size, and its hint is seen", async () => {
  const error = {
    code: "AE_DUMP_FAILED",
    family: "CriuError",
    kind: "system",
    what: "a snapshot of api could not be made",
    why: "a file is open that CRIU cannot dump ".repeat(10),
    hint: "Close it before the function sleeps.",
    data: { output: ["last words"] },
    stack: null,
  } as const;
  await using running = startConsole(60, 15, {
    functions: [fakeFunction("api", 0, { lastError: error }), asleep("web", 1)],
  });
  const { screen } = running;
  await screen.see("✗api");
  await screen.press(keys.enter);
  await screen.see("AE_DUMP_FAILED");
  await screen.press("G", "g");
  screen.resize(160, 50);
  await screen.see("→ Close it before the function sleeps.");
  expect(await screen.text()).toContain("last words");
});

test("without colours the screen has the same text and no colour codes", async () => {
  process.env["NO_COLOR"] = "1";
  try {
    await using running = startConsole(80, 24);
    const { screen } = running;
    await screen.see("● Running");
    // Selection and headings by inverse and underline.
    expect(screen.written()).toContain("\u001b[7m");
    const codes = screen
      .written()
      .split("\u001b[")
      .map((part) => part.slice(0, 3));
    expect(codes.filter((code) => /^(?:3[0-8]|9[0-7]|4[0-8])[;m]/.test(code))).toEqual([]);
  } finally {
    delete process.env["NO_COLOR"];
  }
});

test("nothing is written while nothing changes", async () => {
  await using running = startConsole(100, 30, { functions: many(40) });
  const { screen, engine } = running;
  await screen.see("fn-020");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = screen.written().length;
  engine.publish();
  engine.publish();
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(screen.written().length).toBe(before);
});
