/**
 * Input of the terminal to key names. Ink calls once for each chunk: `jjj` arriving together is one call, so that
 * chunks are split into graphemes here and nowhere else.
 */
import type { Key } from "ink";

/** One key: its name as in the key table, and the text it types where it types any. */
export interface KeyPress {
  readonly name: string;
  readonly text: string | null;
}

const named = [
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["leftArrow", "left"],
  ["rightArrow", "right"],
  ["pageUp", "pgup"],
  ["pageDown", "pgdn"],
  ["home", "home"],
  ["end", "end"],
  ["return", "enter"],
  ["escape", "esc"],
  ["backspace", "backspace"],
  ["delete", "delete"],
] as const;

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function fromGrapheme(grapheme: string): KeyPress | null {
  const code = grapheme.codePointAt(0) ?? 0;
  if (grapheme === "\r" || grapheme === "\n" || grapheme === "\r\n") return { name: "enter", text: null };
  if (grapheme === "\t") return { name: "tab", text: null };
  if (grapheme === " ") return { name: "space", text: " " };
  if (code === 0x1b) return { name: "esc", text: null };
  if (code === 0x7f || code === 0x08) return { name: "backspace", text: null };
  if (code === 0) return { name: "C-space", text: null };
  if (code <= 26) return { name: `C-${String.fromCodePoint(code + 96)}`, text: null };
  if (code < 0x20 || (code >= 0x80 && code < 0xa0)) return null;
  return { name: grapheme, text: grapheme };
}

/** The keys of one chunk, in the order in which they were pressed. */
export function keyPresses(input: string, key: Key): readonly KeyPress[] {
  if (key.eventType === "release") return [];
  for (const [flag, name] of named) {
    if (key[flag]) return [{ name, text: null }];
  }
  if (key.tab) return [{ name: key.shift ? "S-tab" : "tab", text: null }];
  // No key of the table has Alt: Esc and a key typed right after it, or in one chunk with it, are those two.
  if (key.meta) return [{ name: "esc", text: null }, ...keyPresses(input, { ...key, meta: false })];
  if (key.ctrl) return input === "" ? [] : [{ name: input === " " ? "C-space" : `C-${input}`, text: null }];
  const presses: KeyPress[] = [];
  for (const { segment } of segmenter.segment(input)) {
    const press = fromGrapheme(segment);
    if (press !== null) presses.push(press);
  }
  return presses;
}

const shown: Readonly<Record<string, string>> = {
  up: "↑",
  down: "↓",
  left: "←",
  right: "→",
  enter: "⏎",
  esc: "Esc",
  tab: "Tab",
  "S-tab": "S-Tab",
  space: "Space",
  pgup: "PgUp",
  pgdn: "PgDn",
  home: "Home",
  end: "End",
};

/** A key name as people see it. */
export function showKey(name: string): string {
  return shown[name] ?? name;
}
