/** A line of text being typed: pure, the cursor drawn as an inverse cell. */
import { sanitize } from "../format/sanitize.ts";
import { span } from "../format/line.ts";
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

export function insertText({ text, cursor }: TextInput, added: string): TextInput {
  const safe = sanitize(added.replaceAll(/\s+/g, " ")).slice(0, Math.max(0, maxLength - text.length));
  return { text: text.slice(0, cursor) + safe + text.slice(cursor), cursor: cursor + safe.length };
}

function without({ text }: TextInput, from: number, to: number): TextInput {
  return { text: text.slice(0, from) + text.slice(to), cursor: from };
}

/** One key of typing; keys that do nothing here change nothing. */
export function editText(input: TextInput, press: KeyPress): TextInput {
  const { text, cursor } = input;
  if (press.text !== null) return insertText(input, press.text);
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

/** The input as spans, with its cursor. */
export function inputSpans({ text, cursor }: TextInput): Span[] {
  const next = stepForward(text, cursor);
  return [
    span(text.slice(0, cursor), "strong"),
    span(text.slice(cursor, next) || " ", "cursor"),
    span(text.slice(next), "strong"),
  ];
}
