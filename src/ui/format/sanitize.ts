/**
 * Text of functions, files and the network is hostile until it has been through here: it must neither move the
 * cursor, nor reorder what stands beside it, nor be measured differently by us, by Ink and by the terminal.
 */
import { charWidth } from "./width.ts";

// Spelled as variables so that no source line holds a control character.
const ESC = "\\u001b";
const BEL = "\\u0007";
const ST = "\\u009c";

/** ECMA-48: CSI; then OSC, DCS, SOS, PM and APC strings up to their terminator or the end; then other escapes. */
const sequences = new RegExp(
  [
    `(?:${ESC}\\[|\\u009b)[0-?]*[ -/]*[@-~]`,
    `(?:${ESC}[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^${BEL}${ESC}${ST}]*(?:${BEL}|${ESC}\\\\|${ST})?`,
    `${ESC}[ -/]*[0-~]`,
  ].join("|"),
  "g",
);

const plainAscii = /^[ -~]*$/;
const mark = /^\p{Nonspacing_Mark}$/u;
/** Characters that reorder their neighbours, break lines, or have no agreed meaning: shown as a replacement character. */
const visibleReplacement = /^[\p{Bidi_Control}\p{Surrogate}\p{Unassigned}\p{Zl}\p{Zp}]$/u;
/** Characters that are invisible or join others, by which widths come apart: dropped. */
const invisible = /^[\p{Default_Ignorable_Code_Point}\p{Format}\p{Enclosing_Mark}\p{Emoji_Modifier}]$/u;

const tabStop = 8;
const marksPerBase = 2;

function controlPicture(code: number): string {
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}

/** One line, safe to draw. Idempotent. */
export function sanitize(text: string): string {
  if (plainAscii.test(text)) return text;
  const stripped = text.replaceAll(sequences, "").replace(/[\r\n]+$/, "");
  if (plainAscii.test(stripped)) return stripped;
  let out = "";
  let column = 0;
  let marks = 0;
  const put = (char: string): void => {
    out += char;
    column += charWidth(char);
    marks = 0;
  };
  for (const char of stripped.normalize("NFC")) {
    const code = char.codePointAt(0) ?? 0;
    if (char === "\t") {
      const spaces = tabStop - (column % tabStop);
      out += " ".repeat(spaces);
      column += spaces;
      marks = marksPerBase;
    } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      put(controlPicture(code));
      marks = marksPerBase;
    } else if (code < 0x7f) {
      put(char);
    } else if (visibleReplacement.test(char)) {
      put("\ufffd");
      marks = marksPerBase;
    } else if (invisible.test(char)) {
      continue;
    } else if (mark.test(char)) {
      // A pile of marks on one letter paints over the rows above; a mark without a letter would join the frame.
      if (out === "" || marks >= marksPerBase) continue;
      out += char;
      marks += 1;
    } else {
      put(char);
    }
  }
  return out;
}

/** As `sanitize`, for text of several lines. */
export function sanitizeLines(text: string): string[] {
  return text.split(/\r\n|[\n\r]/).map((line) => sanitize(line));
}

/**
 * Values found to need no change. What the engine publishes is never changed afterwards, and most of it (configurations,
 * errors) is the same objects many times over: going through them again would be half of the console's work.
 */
const knownSafe = new WeakSet<object>();

/** Every string in a plain value made safe; returns the value itself where nothing had to change. */
export function sanitizeDeep<T>(value: T): T {
  return sanitizeValue(value) as T;
}

function sanitizeValue(value: unknown): unknown {
  if (typeof value === "string") return sanitize(value);
  if (typeof value !== "object" || value === null || knownSafe.has(value)) return value;
  const safe = Array.isArray(value) ? sanitizeList(value) : sanitizeFields(value as Record<string, unknown>);
  knownSafe.add(safe);
  return safe;
}

function sanitizeList(list: readonly unknown[]): readonly unknown[] {
  const safe = list.map((item) => sanitizeValue(item));
  return safe.every((item, index) => item === list[index]) ? list : safe;
}

function sanitizeFields(fields: Record<string, unknown>): Record<string, unknown> {
  let same = true;
  for (const key of Object.keys(fields)) {
    if (sanitizeValue(fields[key]) !== fields[key] || sanitize(key) !== key) same = false;
  }
  if (same) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([key, item]) => [sanitize(key), sanitizeValue(item)]),
  );
}
