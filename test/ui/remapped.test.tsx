/** Where a text names a key it is the one in force, or the palette's way to a command that has none. */
import { expect, test } from "vitest";
import { checkOverrides } from "../../src/ui/keys/check-overrides.ts";
import { makeKeymap } from "../../src/ui/keys/keymap.ts";
import type { KeyOverrides } from "../../src/ui/keys/keymap.ts";
import { fakeFunction } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

const overrides: KeyOverrides = new Map([
  ["wake", ["%"]],
  ["snapshot", ["$"]],
  ["invoke", ["!"]],
  ["filter", ["&"]],
  ["filter-events", ["&"]],
  ["back", ["C-g"]],
  ["only-selected", ["="]],
  ["reload", ["@"]],
  ["palette", [";"]],
  ["view-functions", ["~"]],
  ["view-logs", []],
  ["view-config", ["^"]],
  ["view-network", ["#"]],
  ["view-packets", ["|"]],
  ["dialog-yes", ["+"]],
  ["dialog-no", ["="]],
  ["suspend-console", ["C-y"]],
  ["interrupt", ["C-x", "C-c"]],
]);

const back = "\u0007";
const interrupt = "\u0018";
const suspend = "\u0019";
const clear = "\u000c";

test("texts name the keys of the user's key file", async () => {
  expect(checkOverrides(overrides)).toEqual([]);
  const functions = [fakeFunction("api", 0, { snapshot: null, triggerPort: null })];
  await using running = startConsole(140, 45, { functions }, { keymap: makeKeymap(overrides) });
  const { screen, engine } = running;
  await screen.see("api");
  engine.engine({ dataPlane: null });
  engine.log("api", "hello");
  const views: readonly (readonly [press: readonly string[], wanted: string, byDefault: string])[] = [
    [[], "~ Functions", "1 Functions"],
    [[], "  Logs", "2 Logs"],
    [[], "^ Config", "6 Config"],
    [["&", "zzz", keys.enter], "& changes the filter, C-g removes it.", "/ changes"],
    [[back, keys.enter], "None yet: connect to its port, or press %.", "press W"],
    [[], "none yet: $ makes one", "s makes one"],
    [[back, "3", "&", "zzz", keys.enter], "& changes the filter, C-g removes it.", "/ changes"],
    [["4"], "Connect to the port of a sleeping function, or press % on it.", "press W"],
    [["="], "= shows the wakes of all functions.", "a shows"],
    [["7"], "! on a function gives it an event", "i on a function"],
    [["5"], "off (# says how to switch it on)", "(8 says"],
    [["#"], "| shows those of the selected function.", "9 shows"],
    [["|"], "= shows the packets of all ports.", "a shows"],
    [["^"], "@ reads it again.", "L reads"],
    [["~", "l", clear], ";show cleared lines brings the old ones back.", "`:`"],
    [[suspend], "then C-y works", "C-z works"],
    [[interrupt], "C-x again leaves", "C-c again"],
  ];
  for (const [press, wanted, byDefault] of views) {
    await screen.press(...press);
    expect(await screen.see(wanted), wanted).not.toContain(byDefault);
  }
  // No error of the engine's own: those say themselves what failed.
  Object.assign(engine, { reload: () => Promise.reject(new Error("broken pipe")) });
  await screen.press("@");
  expect(await screen.see("not applied; ^ shows where")).not.toContain("6 shows");
  await screen.press("\u001b", back, back, back, "X");
  await screen.see("Kill api?");
  screen.resize(40, 10);
  expect(await screen.see("Kill api? + or =")).not.toContain("y or n");
});

test("help shows every key of a command, and how the palette finds one that has none", async () => {
  await using running = startConsole(80, 150, {}, { keymap: makeKeymap(overrides) });
  const { screen } = running;
  await screen.see("api");
  await screen.press("?");
  const text = await screen.see("DIALOGS AND TYPING");
  expect(text).toMatch(/\n {2}; +Stop the engine and everything it runs/);
  expect(text).toMatch(/\n {2}; +The output of all functions together/);
  expect(text).toMatch(/Tab S-Tab ← +Mark the other answer\. *\n {2}→ h l j k ↑ *\n {2}↓ *\n/);
});
