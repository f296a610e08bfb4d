import { describe, expect, test } from "vitest";
import { activities, instanceStates } from "../../../src/protocol/states.ts";
import { sparkline, bar } from "../../../src/ui/components/sparkline.ts";
import { clipboardTools, osc52 } from "../../../src/ui/control/clipboard.ts";
import { line, roles, span } from "../../../src/ui/format/line.ts";
import { textWidth } from "../../../src/ui/format/width.ts";
import { paint } from "../../../src/ui/theme/paint.ts";
import { activityLooks, stateLooks } from "../../../src/ui/theme/states.ts";
import { colourDepth, makeTheme, themeNames } from "../../../src/ui/theme/themes.ts";

describe("themes", () => {
  test("states and activities differ by glyph, of one column each", () => {
    const glyphs = [
      ...instanceStates.map((name) => stateLooks[name].glyph),
      ...activities.map((name) => activityLooks[name].glyph),
    ];
    expect(new Set(glyphs).size).toBe(glyphs.length);
    expect(glyphs.map((glyph) => textWidth(glyph))).toEqual(glyphs.map(() => 1));
  });

  test("good and bad never look alike, the selected row never like the others", () => {
    for (const name of themeNames) {
      for (const depth of ["none", "16", "256"] as const) {
        const theme = makeTheme(name, depth);
        for (const role of roles) expect(theme.styles[role]).toBeDefined();
        expect(theme.styles.good).not.toEqual(theme.styles.bad);
        expect(theme.selected.length).toBeGreaterThan(0);
      }
    }
  });

  test("NO_COLOR, FORCE_COLOR=0 and TERM=dumb mean no colour; bold and inverse remain", () => {
    expect(
      [{ NO_COLOR: "1" }, { FORCE_COLOR: "0" }, { TERM: "dumb" }].map((env) => colourDepth(env, 24)),
    ).toEqual(["none", "none", "none"]);
    expect([
      colourDepth({}, 24),
      colourDepth({}, 8),
      colourDepth({}, 4),
      colourDepth({}, 1),
      colourDepth({ NO_COLOR: "" }, 8),
    ]).toEqual(["256", "256", "16", "none", "256"]);
    expect(paint({ ...line("x"), selected: true }, makeTheme("dark", "none"))).toBe("\u001b[7mx\u001b[27m");
  });

  test("for screen readers there are no codes at all", () => {
    expect(paint(line(span("x", "bad"), span("y", "match")), null)).toBe("xy");
  });
});

describe("small charts", () => {
  test("scale to the top and keep their width", () => {
    expect(sparkline([0, 5, 10, 20], 6, 10)).toBe("  ▁▄██");
    expect(sparkline([1, 2, 3], 2, 3)).toBe("▆█");
    expect(sparkline([], 3, 0)).toBe("   ");
    expect(bar(12, 40, 10)).toEqual({ filled: "━━━", rest: "───────" });
    expect(bar(1, 0, 4)).toEqual({ filled: "", rest: "────" });
  });
});

describe("copying", () => {
  test("takes the desktop's tool, else the terminal, with a cap and through tmux", () => {
    expect(
      clipboardTools({ WAYLAND_DISPLAY: "wayland-0", DISPLAY: ":0" }, "linux").map((tool) => tool[0]),
    ).toEqual(["wl-copy", "xclip"]);
    expect(clipboardTools({}, "linux")).toEqual([]);
    expect(osc52("api", {})).toBe("\u001b]52;c;YXBp\u0007");
    expect(osc52("api", { TMUX: "x" })).toContain("\u001bPtmux;\u001b\u001b]52");
    expect(osc52("x".repeat(60_000), {})).toBeNull();
  });
});
