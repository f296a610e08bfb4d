/**
 * A row of the screen before it has colours: spans of text, each with the role it plays. Views make lines, the theme
 * paints them. A row is one string for Ink: a box per cell costs four times as much (facts/tui.md).
 */
import { takeColumns, textWidth } from "./width.ts";

/** Names of functions whose output stands together. */
export const sourceRoles = ["source-1", "source-2", "source-3", "source-4", "source-5", "source-6"] as const;
export type SourceRole = (typeof sourceRoles)[number];

export const roles = [
  "text",
  "strong",
  "dim",
  "heading",
  "accent",
  "key",
  "good",
  "calm",
  "warn",
  "bad",
  "match",
  "button",
  "cursor",
  ...sourceRoles,
] as const;
/** What a piece of text means, not how it looks. */
export type Role = (typeof roles)[number];

export interface Span {
  readonly text: string;
  readonly role: Role;
}

export interface Line {
  readonly spans: readonly Span[];
  /** Drawn as the selected row, over its whole width. */
  readonly selected: boolean;
}

export const span = (text: string, role: Role = "text"): Span => ({ text, role });

/** A line of strings and spans; bare strings have the role "text". */
export function line(...parts: readonly (string | Span)[]): Line {
  return { spans: parts.map((part) => (typeof part === "string" ? span(part) : part)), selected: false };
}

export const emptyLine: Line = line();

export function lineWidth(value: Line): number {
  let width = 0;
  for (const part of value.spans) width += textWidth(part.text);
  return width;
}

export function plainText(value: Line): string {
  return value.spans.map((part) => part.text).join("");
}

/** Exactly `width` columns: cut with an ellipsis, or filled with blanks. */
export function fitLine(value: Line, width: number): Line {
  const total = lineWidth(value);
  if (total === width) return value;
  if (total < width) return { ...value, spans: [...value.spans, span(" ".repeat(width - total))] };
  const spans: Span[] = [];
  let room = Math.max(0, width - 1);
  for (const part of value.spans) {
    const partWidth = textWidth(part.text);
    if (partWidth <= room) {
      spans.push(part);
      room -= partWidth;
      continue;
    }
    const cut = takeColumns(part.text, room);
    spans.push(span(cut, part.role), ...(width > 0 ? [span("…", part.role)] : []));
    room -= textWidth(cut);
    break;
  }
  if (room > 0) spans.push(span(" ".repeat(room)));
  return { ...value, spans };
}

/** `left` and `right` at the two ends of a row; the right side goes first when there is no room for both. */
export function spread(left: Line, right: Line, width: number): Line {
  const gap = width - lineWidth(left) - lineWidth(right);
  if (gap < 1) return fitLine(left, width);
  return line(...left.spans, span(" ".repeat(gap)), ...right.spans);
}
