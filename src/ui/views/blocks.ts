/** Pieces that several views are made of. */
import type { ErrorData } from "../../protocol/errors.ts";
import { emptyLine, fitLine, line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { fit, textWidth, wrapWords } from "../format/width.ts";

export const labelWidth = 14;

/** A heading within a view. */
export const heading = (title: string): Line => line("  ", span(title, "heading"));

/** `label  value`, the value wrapped under itself. */
export function field(label: string, value: string | readonly Span[], width: number): readonly Line[] {
  const name = span(`  ${fit(label, labelWidth - 1)} `, "dim");
  if (typeof value !== "string") return [line(name, ...value)];
  const room = Math.max(8, width - labelWidth - 3);
  return wrapWords(value, room).map((text, index) =>
    line(index === 0 ? name : " ".repeat(labelWidth + 2), text),
  );
}

/** An error in full: code and what failed, why, what to do, and the last lines of output where it carries them. */
export function errorLines(error: ErrorData, width: number, indent = "  "): readonly Line[] {
  const room = Math.max(8, width - indent.length - 3);
  const inOneRow = textWidth(error.code) + 2 + textWidth(error.what) <= room;
  const code = [span("✗ ", "bad"), span(error.code, "bad")];
  const lines: Line[] = [line(indent, ...code, ...(inOneRow ? ["  ", span(error.what, "strong")] : []))];
  const add = (text: string, first: Span, role: Span["role"]): void => {
    wrapWords(text, room).forEach((part, index) => {
      lines.push(line(indent, index === 0 ? first : span("  "), span(part, role)));
    });
  };
  if (!inOneRow) add(error.what, span("  "), "strong");
  if (error.why !== null) add(error.why, span("  "), "text");
  if (error.hint !== null) add(error.hint, span("→ ", "accent"), "text");
  const output = error.data["output"] ?? error.data["log"];
  if (Array.isArray(output))
    for (const text of output.slice(-5)) lines.push(line(indent, span(`  │ ${text}`, "dim")));
  return lines;
}

/** Two blocks side by side where there is room, else one below the other. */
export function sideBySide(left: readonly Line[], right: readonly Line[], width: number): readonly Line[] {
  if (width < 96) return [...left, ...(right.length > 0 ? [emptyLine] : []), ...right];
  const half = Math.floor(width / 2);
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) =>
    line(...fitLine(left[index] ?? emptyLine, half).spans, ...(right[index] ?? emptyLine).spans),
  );
}

/** The width a block has in `sideBySide`. */
export const blockWidth = (width: number): number => (width < 96 ? width : Math.floor(width / 2));
