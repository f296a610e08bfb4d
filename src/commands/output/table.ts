/** Aligned columns of text for people. */
import { sanitize } from "../../ui/format/sanitize.ts";
import { textWidth } from "../../ui/format/width.ts";
import { paint } from "./style.ts";
import type { Style } from "./style.ts";

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** Columns as wide as their widest cell, two spaces between them, no blanks at the end of a line. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  colors: boolean,
): string {
  const head = columns.map((column): Cell => ({ text: column.title, style: "bold" }));
  const cells = [head, ...rows].map((row) =>
    row.map((cell) => ({ style: cell.style ?? null, text: sanitize(cell.text) })),
  );
  const widths = columns.map((_, index) =>
    Math.max(...cells.map((row) => textWidth(row[index]?.text ?? ""))),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, index) => {
        const blanks = " ".repeat(Math.max(0, (widths[index] ?? 0) - textWidth(cell.text)));
        const painted = paint(cell.text, cell.style, colors);
        if (columns[index]?.align === "right") return blanks + painted;
        return index === row.length - 1 ? painted : painted + blanks;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}
