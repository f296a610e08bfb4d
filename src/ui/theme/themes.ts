/**
 * Roles to looks. Colours are terminal palette numbers with a 16-colour stand-in; plain text keeps the terminal's own
 * colour. No meaning hangs on colour alone: states have a glyph and a word, errors a sign and a code.
 */
import type { Role, SourceRole } from "../format/line.ts";
import type { ThemeName } from "./theme-names.ts";

export { themeNames } from "./theme-names.ts";
export type { ThemeName } from "./theme-names.ts";

/** How many colours the terminal has: none, the basic sixteen, or the palette of 256. */
export type ColourDepth = "none" | "16" | "256";

/** A switch of the terminal: what turns it on, what turns it off. */
export interface Style {
  readonly on: string;
  readonly off: string;
}

export interface Theme {
  readonly name: ThemeName;
  readonly styles: Readonly<Record<Role, readonly Style[]>>;
  readonly selected: readonly Style[];
}

const sgr = (on: string, off: string): Style => ({ on: `\u001b[${on}m`, off: `\u001b[${off}m` });
const bold = sgr("1", "22");
const dim = sgr("2", "22");
const underline = sgr("4", "24");
const inverse = sgr("7", "27");

/** A colour by palette number and its stand-in among the sixteen (0-15). */
type Colour = readonly [palette: number, basic: number];

function foreground([palette, basic]: Colour, depth: ColourDepth): Style {
  if (depth === "256") return sgr(`38;5;${palette}`, "39");
  return sgr(String(basic < 8 ? 30 + basic : 82 + basic), "39");
}

interface Palette {
  readonly grey: Colour;
  readonly accent: Colour;
  readonly good: Colour;
  readonly calm: Colour;
  readonly warn: Colour;
  readonly bad: Colour;
  /** Names of functions whose output stands together: apart from each other, none taken for a state. */
  readonly sources: readonly [Colour, Colour, Colour, Colour, Colour, Colour];
  /** Palette number of the selected row's background. */
  readonly selection: number;
}

const palettes: Readonly<Record<Exclude<ThemeName, "mono">, Palette>> = {
  dark: {
    grey: [247, 8],
    accent: [80, 14],
    good: [114, 10],
    calm: [110, 12],
    warn: [221, 11],
    bad: [210, 9],
    sources: [
      [117, 14],
      [183, 13],
      [150, 10],
      [180, 11],
      [111, 12],
      [181, 7],
    ],
    selection: 237,
  },
  light: {
    // On white, five of the sixteen can be read: the others are told apart by their glyphs and words.
    grey: [242, 8],
    accent: [25, 4],
    good: [22, 4],
    calm: [60, 8],
    warn: [94, 5],
    bad: [124, 1],
    sources: [
      [25, 4],
      [90, 5],
      [22, 1],
      [94, 0],
      [24, 4],
      [89, 8],
    ],
    selection: 254,
  },
  // Blue, orange and their kin (Okabe and Ito): told apart with every common colour blindness, never red against green.
  "colour-blind": {
    grey: [247, 8],
    accent: [117, 14],
    good: [75, 12],
    calm: [146, 7],
    warn: [221, 11],
    bad: [208, 13],
    sources: [
      [117, 14],
      [229, 11],
      [183, 7],
      [215, 13],
      [111, 12],
      [252, 15],
    ],
    selection: 237,
  },
  "colour-blind-light": {
    grey: [242, 8],
    accent: [25, 4],
    good: [25, 4],
    calm: [60, 8],
    warn: [94, 5],
    bad: [88, 1],
    sources: [
      [25, 4],
      [94, 5],
      [54, 1],
      [236, 0],
      [24, 4],
      [240, 8],
    ],
    selection: 254,
  },
};

function sourceStyles(
  styleOf: (index: number) => readonly Style[],
): Readonly<Record<SourceRole, readonly Style[]>> {
  return {
    "source-1": styleOf(0),
    "source-2": styleOf(1),
    "source-3": styleOf(2),
    "source-4": styleOf(3),
    "source-5": styleOf(4),
    "source-6": styleOf(5),
  };
}

const mono: Theme = {
  name: "mono",
  styles: {
    text: [],
    strong: [bold],
    dim: [],
    heading: [underline],
    accent: [bold],
    key: [bold],
    good: [],
    calm: [],
    warn: [bold],
    bad: [bold],
    match: [inverse],
    button: [inverse],
    cursor: [inverse],
    // Names tell sources apart.
    ...sourceStyles(() => []),
  },
  selected: [inverse],
};

export function makeTheme(name: ThemeName, depth: ColourDepth): Theme {
  if (name === "mono" || depth === "none") return mono;
  const palette = palettes[name];
  const fg = (colour: Colour): Style => foreground(colour, depth);
  return {
    name,
    styles: {
      text: [],
      strong: [bold],
      dim: depth === "256" ? [fg(palette.grey)] : [dim],
      heading: depth === "256" ? [fg(palette.grey)] : [dim],
      accent: [bold, fg(palette.accent)],
      key: [fg(palette.accent)],
      good: [fg(palette.good)],
      calm: [fg(palette.calm)],
      warn: [fg(palette.warn)],
      bad: [fg(palette.bad)],
      match: [inverse],
      button: [inverse, bold],
      cursor: [inverse],
      ...sourceStyles((index) => [fg(palette.sources[index] ?? palette.calm)]),
    },
    selected: depth === "256" ? [sgr(`48;5;${palette.selection}`, "49"), bold] : [inverse],
  };
}

interface ColourEnvironment {
  readonly NO_COLOR?: string | undefined;
  readonly FORCE_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

/** What the terminal can show, by its own account and by the environment. */
export function colourDepth(env: ColourEnvironment, bitsPerColour: number): ColourDepth {
  if ((env.NO_COLOR ?? "") !== "" || env.FORCE_COLOR === "0" || env.TERM === "dumb") return "none";
  if (bitsPerColour >= 8) return "256";
  return bitsPerColour >= 4 ? "16" : "none";
}
