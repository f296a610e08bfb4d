/** Something to read at leisure: failures with what to do, the answer to an invocation. Scrolls, and can be copied. */
import { line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { chunkColumns, textWidth, wrapWords } from "../format/width.ts";
import { clampOffset } from "../format/window.ts";
import type { Report } from "../store/failures.ts";
import type { Paragraph, Ui } from "../store/types.ts";
import { ruleLine } from "./rule.ts";

/** Header, tabs, hint line, the rule of the dialog itself, and something of what lies under it. */
const rowsAround = 8;

function paragraphLines({ text, role, lead, verbatim }: Paragraph, width: number): readonly Line[] {
  const room = Math.max(10, width - textWidth(lead) - 4);
  const parts = verbatim === true ? chunkColumns(text, room) : wrapWords(text, room);
  const rows = parts.length === 0 ? [""] : parts;
  return rows.map((part, index) =>
    line("  ", span(index === 0 ? lead : " ".repeat(textWidth(lead)), "accent"), span(part, role)),
  );
}

/** All rows of a report. */
export function reportContent({ paragraphs }: Report, width: number): readonly Line[] {
  return paragraphs.flatMap((paragraph) => paragraphLines(paragraph, width));
}

/** How many rows of it are shown at once. */
export function reportRows({ rows }: Pick<Ui, "rows">, total: number): number {
  return Math.max(2, Math.min(total, rows - rowsAround));
}

export function reportLines(modal: Report, ui: Pick<Ui, "rows" | "columns">): readonly Line[] {
  const content = reportContent(modal, ui.columns);
  const height = reportRows(ui, content.length);
  const offset = clampOffset(modal.offset, height, content.length);
  const role = modal.level === "bad" ? "bad" : "accent";
  const isWhole = content.length <= height;
  const note = isWhole ? line() : line(span(`${offset + 1}–${offset + height} of ${content.length}`, "dim"));
  return [
    ruleLine(line(span(modal.title, role)), note, ui.columns, role),
    ...content.slice(offset, offset + height),
  ];
}
