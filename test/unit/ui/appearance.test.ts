/** How the console's looks are chosen, and what is left of them in ASCII. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { activities, instanceStates } from "../../../src/protocol/states.ts";
import { loadAppearance, rememberedPath } from "../../../src/commands/appearance.ts";
import { asciiText } from "../../../src/ui/format/ascii.ts";
import { sanitize } from "../../../src/ui/format/sanitize.ts";
import { textWidth } from "../../../src/ui/format/width.ts";
import { activityLooks, stateLooks } from "../../../src/ui/theme/states.ts";

const globals = { color: true } as const;
let home = "";
beforeEach(() => (home = mkdtempSync(join(tmpdir(), "aether-looks-"))));
afterEach(() => rmSync(home, { recursive: true, force: true }));
const env = (more: Record<string, string> = {}) => ({ XDG_STATE_HOME: home, ...more });

describe("the theme", () => {
  test("an option goes before the environment, that before the last choice, that before the ground", () => {
    expect(loadAppearance(globals, env()).theme).toBe("dark");
    expect(loadAppearance(globals, env({ COLORFGBG: "0;15" })).theme).toBe("light");
    loadAppearance(globals, env()).remember("mono");
    expect(loadAppearance(globals, env({ COLORFGBG: "0;15" })).theme).toBe("mono");
    expect(loadAppearance(globals, env({ AETHER_THEME: "light" })).theme).toBe("light");
    expect(loadAppearance({ ...globals, theme: "dark" }, env({ AETHER_THEME: "light" })).theme).toBe("dark");
  });

  test("the last choice is kept for this user alone", () => {
    loadAppearance(globals, env()).remember("light");
    expect(statSync(rememberedPath(env())).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(rememberedPath(env()))).mode & 0o777).toBe(0o700);
  });

  test("a name that there is not is refused, wherever it comes from", () => {
    expect(() => loadAppearance(globals, env({ AETHER_THEME: "drak" }))).toThrow('there is no theme "drak"');
    mkdirSync(dirname(rememberedPath(env())));
    writeFileSync(rememberedPath(env()), "{broken");
    expect(() => loadAppearance(globals, env())).toThrow("may be removed");
    chmodSync(rememberedPath(env()), 0o600);
    expect(existsSync(rememberedPath(env()))).toBe(true);
  });
});

describe("characters", () => {
  test("a locale other than UTF-8 means ASCII; none at all says nothing; AETHER_ASCII goes before it", () => {
    const ascii = (more: Record<string, string>): boolean => loadAppearance(globals, env(more)).ascii;
    expect([
      ascii({}),
      ascii({ LANG: "en_US.UTF-8" }),
      ascii({ LANG: "C" }),
      ascii({ LANG: "en_US.UTF-8", LC_ALL: "POSIX" }),
      ascii({ LC_CTYPE: "C.utf8", LANG: "C" }),
      ascii({ LANG: "C", AETHER_ASCII: "0" }),
      ascii({ AETHER_ASCII: "1" }),
    ]).toEqual([false, false, true, true, false, false, true]);
    expect(loadAppearance({ ...globals, ascii: true }, env()).ascii).toBe(true);
  });

  test("states and activities stay apart", () => {
    const glyphs = [
      ...instanceStates.map((name) => stateLooks[name].glyph),
      ...activities.map((name) => activityLooks[name].glyph),
    ].map((glyph) => asciiText(glyph));
    expect(new Set(glyphs).size).toBe(glyphs.length);
  });

  test("any text becomes ASCII of the same width", () => {
    expect(asciiText("● naïve 日本 …")).toBe("* naive ???? ~");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const safe = sanitize(text).replaceAll("⏎", "");
        const shown = asciiText(safe);
        expect(shown).toMatch(/^[ -~]*$/);
        expect(textWidth(shown)).toBe(textWidth(safe));
      }),
      { numRuns: 40 },
    );
  });
});

test("screen reader and reduced motion by option or environment", () => {
  expect(loadAppearance(globals, env()).screenReader).toBe(false);
  expect(loadAppearance(globals, env({ INK_SCREEN_READER: "true" })).screenReader).toBe(true);
  expect(loadAppearance({ ...globals, screenReader: true }, env()).screenReader).toBe(true);
  expect(loadAppearance(globals, env({ AETHER_REDUCED_MOTION: "1" })).reducedMotion).toBe(true);
  expect(loadAppearance(globals, env({ AETHER_REDUCED_MOTION: "0" })).reducedMotion).toBe(false);
});
