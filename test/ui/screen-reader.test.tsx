/** What a screen reader is given: nothing that matters is cut, and what only a colour or a place says is in words. */
import { expect, test } from "vitest";
import { fakeFunction, fakeWake } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";
import type { Running } from "./start-console.ts";

async function spoken(rows = 24, count = 3): Promise<Running> {
  const functions = Array.from({ length: count }, (_, index) => fakeFunction(`f${index}`, index));
  const running = startConsole(80, rows, { functions }, { screenReader: true });
  await running.screen.see("(selected) f0, Running");
  return running;
}

test("of what is longer than the screen the middle is cut: status and keys are heard", async () => {
  await using running = await spoken(24, 60);
  const { screen, engine } = running;
  engine.event(fakeWake("f1"));
  const views = ["functions", "logs", "events", "wakes", "system", "config", "invocations", "network"];
  const presses = [["?", "help"], ...views.map((view, index) => [String(index + 1), view] as const)] as const;
  engine.logs(Array.from({ length: 50 }, (_, n) => ["f0", `${n} ${"long ".repeat(40)}`]));
  for (const [press, view] of presses) {
    await screen.press(press);
    await screen.see(`View: ${view}.`);
    const text = await screen.text();
    expect(text, press).toContain("Aether engine demo");
    expect(text, press).toContain("Newest event: ");
    expect(text, press).toMatch(/Keys: [^]*q\s+quit\s*$/);
  }
});

test("the selected row is in sight wherever it is, and no other is called selected", async () => {
  await using running = await spoken(24, 60);
  const { screen } = running;
  await screen.press("G");
  const text = await screen.see("(selected) f59, Running");
  expect(text.match(/\(selected\)/g)).toHaveLength(1);
});

test("the selected record of a list is told", async () => {
  await using running = await spoken();
  const { screen, engine } = running;
  engine.event(fakeWake("f1"));
  engine.event(fakeWake("f2"));
  await screen.press("4");
  await screen.see(/\(selected\) .*f2/);
  await screen.press("j");
  expect(await screen.see(/\(selected\) .*f1/)).toContain("wakes of all functions");
});

test("marks, order and filter of the table are told", async () => {
  await using running = await spoken();
  const { screen } = running;
  await screen.press(" ");
  await screen.see(/^f0, marked, Running/m);
  await screen.press("O");
  await screen.see("Table: 3 functions, file order, reversed");
  await screen.press("o", "/", "f1", keys.enter);
  expect(await screen.see("Table: 3 functions, filter f1 1 of 3, by function, reversed")).toMatch(
    /f1, Running/,
  );
});

test("whether a log follows is told, its newest lines are kept, and so is what is typed", async () => {
  await using running = await spoken();
  const { screen, engine } = running;
  engine.logs(Array.from({ length: 100 }, (_, n) => ["f0", `request ${n} ${"word ".repeat(30)}`]));
  await screen.press("l");
  expect(await screen.see("Pane: f0 log, following")).toContain("request 99 ");
  await screen.press("f");
  await screen.see("Pane: f0 log, standing still");
  await screen.press("/", "needle");
  await screen.see("Keys: search needle");
});
