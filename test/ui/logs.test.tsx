/** Logs as a person uses them: search, several sources, choosing lines, marks, clearing, saving, hostile bytes. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";
import type { Running } from "./start-console.ts";

afterEach(() => vi.restoreAllMocks());

async function withLog(lines: readonly string[], columns = 100, rows = 30): Promise<Running> {
  const running = startConsole(columns, rows);
  await running.screen.see("api");
  running.engine.logs(lines.map((text) => ["api", text] as const));
  await running.screen.press("2");
  return running;
}

const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `request ${index} ${index % 10 === 0 ? "FAILED" : "ok"}`);

test("search counts, goes on and back, takes patterns and says what is wrong with one", async () => {
  await using running = await withLog(numbered(200));
  const { screen } = running;
  await screen.press("/", "failed", keys.enter);
  await screen.see("search failed 20 of 20");
  await screen.press("N");
  await screen.see("19 of 20");
  await screen.press("n", "n");
  await screen.see("1 of 20");
  await screen.press("\u0014");
  await screen.see(/0 of 0 \(exact case\)/);
  await screen.press("\u0014", "/", "\u0015", "request 1[0-4] ", "\u0012");
  await screen.see("of 5 (regex)");
  await screen.press("(");
  await screen.see("✗ unterminated group");
  await screen.press(keys.backspace, keys.enter);
  expect(await screen.see("5 of 5 (regex)")).toMatch(/›.*request 14 ok/);
});

test("standing still says how much came since, and G goes back to the newest", async () => {
  await using running = await withLog(numbered(60));
  const { screen, engine } = running;
  await screen.see("following");
  expect(await screen.text()).toContain("f stand still");
  await screen.press("f");
  expect(await screen.see("standing still")).toContain("f follow");
  engine.logs(numbered(7).map((text) => ["web", text] as const));
  await screen.see("standing still, 7 below");
  await screen.press("G");
  await screen.see("following");
  expect(await screen.text()).toMatch(/web .*request 6 ok/);
});

test("lines are chosen with a cursor and copied", async () => {
  await using running = await withLog(["first", "second", "third", "fourth"]);
  const { screen } = running;
  await screen.see("fourth");
  await screen.press("v", "k", "v", "k");
  await screen.see("2 chosen");
  expect(await screen.text()).toMatch(/▶.*second/);
  await screen.press("y");
  await screen.see("2 lines copied by the terminal (OSC 52)");
  expect(screen.written()).toContain(Buffer.from("second\nthird\n").toString("base64"));
  // The first closes the toast.
  await screen.press("v", keys.esc, keys.esc);
  expect(await screen.text()).not.toContain("chosen");
});

test("a marked line is found again", async () => {
  await using running = await withLog(numbered(200));
  const { screen } = running;
  await screen.see("request 199");
  await screen.press("g", "m", "G");
  await screen.see("1 marked");
  await screen.press("'");
  await screen.see(/◆.*request/);
  expect(await screen.text()).not.toContain("request 199");
});

test("clearing takes away what is there, and it comes back when asked for", async () => {
  await using running = await withLog(["old news"]);
  const { screen, engine } = running;
  await screen.see("old news");
  await screen.press("\u000c");
  await screen.see("The log was cleared.");
  engine.log("api", "fresh news");
  await screen.see("fresh news");
  expect(await screen.text()).not.toContain("old news");
  await screen.press(":", "cleared", keys.enter);
  await screen.see("old news");
});

test("a log is saved to a new file of its owner, and a full folder says why not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "aether-save-"));
  try {
    vi.spyOn(process, "cwd").mockReturnValue(folder);
    await using running = await withLog(["secret \u001b[2Jtoken"], 140);
    const { screen } = running;
    await screen.see("secret");
    await screen.press("S", "S");
    await screen.see(/1 line saved to .*-2\.log|1 line saved to .*\.log/);
    const names = readdirSync(folder);
    expect(names.every((name) => /^aether-all-\d{8}T\d{6}(?:-2)?\.log$/.test(name))).toBe(true);
    const [name = ""] = names;
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder, name), "utf8")).toMatch(/Z api stdout secret token\n$/);
    vi.spyOn(process, "cwd").mockReturnValue(join(folder, "missing"));
    await screen.press("S");
    await screen.see("the log was not saved");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("levels have a sign, streams a stroke, JSON is readable and raw on request", async () => {
  await using running = await withLog(['{"level":"error","msg":"no \\u001b[2Jdisk","free":0}', "WARN slow"]);
  const { screen, engine } = running;
  engine.log("api", "to stderr", "stderr");
  await screen.see(/✗│ ERROR no disk free=0/);
  expect(await screen.text()).toMatch(/!│ WARN slow/);
  await screen.see(/┃ to stderr/);
  await screen.press("J");
  await screen.see('{"level":"error"');
});

test("marked functions have their output shown together, each line with its name, until all are asked for", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  engine.logs([
    ["api", "from the first"],
    ["web", "from the second"],
    ["worker", "from the third"],
  ]);
  await screen.press("g", " ", " ", "l");
  const text = await screen.see("api and 1 more log");
  expect(text).toMatch(/api +│ from the first/);
  expect(text).toMatch(/web +│ from the second/);
  expect(text).not.toContain("from the third");
  await screen.press("a");
  await screen.see("from the third");
});

test("a theme chosen with T is kept, and where that fails it is said", async () => {
  const kept: string[] = [];
  await using running = startConsole(100, 30, {}, { remember: (theme) => void kept.push(theme) });
  await running.screen.see("api");
  await running.screen.press("T");
  await running.screen.see("theme light");
  expect(kept).toEqual(["light"]);
  await using failing = startConsole(
    100,
    30,
    {},
    {
      remember: () => {
        throw new Error("disk full");
      },
    },
  );
  await failing.screen.see("api");
  await failing.screen.press("T");
  await failing.screen.see("theme light, not kept: disk full");
});
