/** WCAG 2.2 contrast of every theme against the grounds it is made for. */
import { describe, expect, test } from "vitest";
import { roles } from "../../../src/ui/format/line.ts";
import { makeTheme } from "../../../src/ui/theme/themes.ts";
import type { Style, ThemeName } from "../../../src/ui/theme/themes.ts";

type Rgb = readonly [number, number, number];

/** xterm's sixteen, as most terminals have them before anybody changes them. */
const basic: readonly Rgb[] = [
  [0, 0, 0],
  [205, 0, 0],
  [0, 205, 0],
  [205, 205, 0],
  [0, 0, 238],
  [205, 0, 205],
  [0, 205, 205],
  [229, 229, 229],
  [127, 127, 127],
  [255, 0, 0],
  [0, 255, 0],
  [255, 255, 0],
  [92, 92, 255],
  [255, 0, 255],
  [0, 255, 255],
  [255, 255, 255],
];

/** The palette of 256: sixteen, a cube of six steps, and greys. */
function paletteRgb(index: number): Rgb {
  const own = basic[index];
  if (own !== undefined) return own;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return [step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)];
}

function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

function contrast(a: Rgb, b: Rgb): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const codes = (styles: readonly Style[]): string[] => styles.map(({ on }) => on.replaceAll(/[^\d;]/g, ""));

/** The colour that styles put on text or ground; `null` where they leave it as it is. */
function colourOf(styles: readonly Style[], of: "text" | "ground"): Rgb | null {
  const lead = of === "text" ? "38;5;" : "48;5;";
  for (const code of codes(styles)) {
    if (code.startsWith(lead)) return paletteRgb(Number(code.slice(lead.length)));
    const number = Number(code);
    if (of === "text" && number >= 30 && number <= 37) return paletteRgb(number - 30);
    if (of === "text" && number >= 90 && number <= 97) return paletteRgb(number - 82);
  }
  return null;
}

/** Black, and the grounds of widespread dark colour schemes; white, and a widespread light one. */
const grounds: Readonly<Record<Exclude<ThemeName, "mono">, readonly Rgb[]>> = {
  dark: [
    [0, 0, 0],
    [30, 30, 30],
    [40, 42, 54],
  ],
  light: [
    [255, 255, 255],
    [253, 246, 227],
  ],
  "colour-blind": [
    [0, 0, 0],
    [30, 30, 30],
    [40, 42, 54],
  ],
  "colour-blind-light": [
    [255, 255, 255],
    [253, 246, 227],
  ],
};

const themes = Object.entries(grounds) as [Exclude<ThemeName, "mono">, readonly Rgb[]][];

function tooFaint(name: ThemeName, depth: "16" | "256", ground: readonly Rgb[], least: number): string[] {
  const theme = makeTheme(name, depth);
  return roles.flatMap((role) => {
    const colour = colourOf(theme.styles[role], "text");
    if (colour === null) return [];
    return ground
      .filter((each) => contrast(colour, each) < least)
      .map((each) => `${role} on ${each.join(",")}: ${contrast(colour, each).toFixed(2)}`);
  });
}

describe.each(themes)("theme %s", (name, its) => {
  test("all text has at least 4.5 to 1 on its grounds", () => {
    expect(tooFaint(name, "256", its, 4.5)).toEqual([]);
  });

  test("text of the selected row has at least 4.5 to 1, its greys 3 to 1", () => {
    const selected = colourOf(makeTheme(name, "256").selected, "ground");
    expect(selected).not.toBeNull();
    const faint = tooFaint(name, "256", [selected ?? [0, 0, 0]], 4.5);
    expect(faint.filter((text) => !/^(?:dim|heading) /.test(text))).toEqual([]);
    expect(tooFaint(name, "256", [selected ?? [0, 0, 0]], 3)).toEqual([]);
  });

  test("with sixteen colours all text has at least 3 to 1 on plain black or white", () => {
    const plain: Rgb = name === "light" || name === "colour-blind-light" ? [255, 255, 255] : [0, 0, 0];
    expect(tooFaint(name, "16", [plain], 3)).toEqual([]);
  });
});

/** Hue angle, degrees. */
function hue([red, green, blue]: Rgb): number {
  return (Math.atan2(Math.sqrt(3) * (green - blue), 2 * red - green - blue) * 180) / Math.PI;
}

test("the colour-blind themes have neither a red nor a green", () => {
  for (const name of ["colour-blind", "colour-blind-light"] as const) {
    const { styles } = makeTheme(name, "256");
    const good = colourOf(styles.good, "text") ?? [0, 0, 0];
    const bad = colourOf(styles.bad, "text") ?? [0, 0, 0];
    // Blue side against orange side: apart for every common colour blindness.
    expect(Math.abs(hue(good))).toBeGreaterThan(120);
    expect(Math.abs(hue(bad))).toBeLessThan(60);
  }
});
