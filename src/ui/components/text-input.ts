/** A line of text being typed: pure, the cursor drawn as an inverse cell. */
import { sanitize } from "../format/sanitize.ts";
import { span } from "../format/line.ts";
import { takeColumns, textWidth, truncateStart } from "../format/width.ts";
import type { Span } from "../format/line.ts";
import type { KeyPress } from "../keys/key-names.ts";
import type { TextInput } from "../store/types.ts";

export const emptyInput: TextInput = { text: "", cursor: 0 };
const maxLength = 200;

export const inputOf = (text: string): TextInput => ({ text, cursor: text.length });

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function stepBack(text: string, cursor: number): number {
  let previous = 0;
  for (const { index } of segmenter.segment(text)) {
    if (index >= cursor) break;
    previous = index;
  }
  return previous;
}

function stepForward(text: string, cursor: number): number {
  const first = segmenter.segment(text.slice(cursor))[Symbol.iterator]().next();
  return first.done === true ? cursor : cursor + first.value.segment.length;
}

/** Text on one line. */
export function insertText(input: TextInput, added: string, most = maxLength): TextInput {
  return insertSafe(input, sanitize(added.replaceAll(/\s+/g, " ")), most);
}

/** Text of several lines, which stay. */
export function insertLines(input: TextInput, added: string, most = maxLength): TextInput {
  const lines = added.split(/\r\n|\r|\n/);
  return insertSafe(input, lines.map((text) => sanitize(text)).join("\n"), most);
}

function insertSafe({ text, cursor }: TextInput, added: string, most: number): TextInput {
  const safe = added.slice(0, Math.max(0, most - text.length));
  return { text: text.slice(0, cursor) + safe + text.slice(cursor), cursor: cursor + safe.length };
}

function without({ text }: TextInput, from: number, to: number): TextInput {
  return { text: text.slice(0, from) + text.slice(to), cursor: from };
}

/** One key of typing; keys that do nothing here change nothing. */
export function editText(input: TextInput, press: KeyPress, most = maxLength): TextInput {
  const { text, cursor } = input;
  if (press.text !== null) return insertText(input, press.text, most);
  switch (press.name) {
    case "backspace":
      return without(input, stepBack(text, cursor), cursor);
    case "delete":
      return without(input, cursor, stepForward(text, cursor));
    case "C-w":
      return without(input, text.slice(0, cursor).replace(/\S*\s*$/, "").length, cursor);
    case "C-u":
      return without(input, 0, cursor);
    case "C-k":
      return without(input, cursor, text.length);
    case "left":
    case "C-b":
      return { text, cursor: stepBack(text, cursor) };
    case "right":
    case "C-f":
      return { text, cursor: stepForward(text, cursor) };
    case "home":
    case "C-a":
      return { text, cursor: 0 };
    case "end":
    case "C-e":
      return { text, cursor: text.length };
    default:
      return input;
  }
}

/** The input as spans, with its cursor; of one that is longer than `room` columns the part around the cursor. */
export function inputSpans({ text, cursor }: TextInput, room = Number.POSITIVE_INFINITY): Span[] {
  const next = stepForward(text, cursor);
  const shown = (part: string): string => part.replaceAll("\n", "⏎");
  const under = shown(text.slice(cursor, next)) || " ";
  const before = shown(text.slice(0, cursor));
  const left = textWidth(before) > room - 3 ? truncateStart(before, Math.max(1, room - 3)) : before;
  const after = takeColumns(shown(text.slice(next)), Math.max(0, room - textWidth(left) - textWidth(under)));
  return [span(left, "strong"), span(under, "cursor"), span(after, "strong")];
}
