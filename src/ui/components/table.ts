/** A table as lines: fixed widths, columns left out from the least important on when room is short. */
import { line, lineWidth, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { fit, truncate } from "../format/width.ts";

export interface Column<Item> {
  readonly id: string;
  readonly title: string;
  readonly width: number;
  readonly align: "left" | "right";
  /** Columns with high numbers go first when room is short. */
  readonly rank: number;
  readonly cell: (item: Item, width: number) => Span | readonly Span[];
}

const gap = 2;

/** The columns that fit, in their order; the last one gets what is left over. */
export function fitColumns<Item>(
  columns: readonly Column<Item>[],
  width: number,
  indent: number,
): readonly Column<Item>[] {
  const kept = new Set<Column<Item>>();
  let used = indent;
  for (const column of columns.toSorted((a, b) => a.rank - b.rank)) {
    const needed = column.width + (kept.size > 0 ? gap : 0);
    if (used + needed > width) continue;
    kept.add(column);
    used += needed;
  }
  const shown = columns.filter((column) => kept.has(column));
  const left = Math.max(0, width - used);
  return shown.map((column, index) =>
    index === shown.length - 1 && column.align === "left"
      ? { ...column, width: column.width + left }
      : column,
  );
}

function cellSpans<Item>(column: Column<Item>, item: Item): Span[] {
  const value = column.cell(item, column.width);
  const parts = "text" in value ? [value] : value;
  const total = lineWidth(line(...parts));
  const blank = " ".repeat(Math.max(0, column.width - total));
  if (total <= column.width)
    return column.align === "left" ? [...parts, span(blank)] : [span(blank), ...parts];
  let room = column.width;
  const cut: Span[] = [];
  for (const part of parts) {
    if (room <= 0) break;
    const text = truncate(part.text, room);
    cut.push(span(text, part.role));
    room -= lineWidth(line(text));
  }
  return [...cut, span(" ".repeat(Math.max(0, room)))];
}

const join = (cells: readonly (readonly Span[])[]): Span[] =>
  cells.flatMap((cell, index) => (index === 0 ? [...cell] : [span(" ".repeat(gap)), ...cell]));

export function headerLine<Item>(
  columns: readonly Column<Item>[],
  indent: string,
  sorted: { readonly id: string; readonly reversed: boolean } | null,
): Line {
  const cells = columns.map((column) => {
    if (column.id !== sorted?.id) return [span(fit(column.title, column.width, column.align), "heading")];
    const mark = sorted.reversed ? "▴" : "▾";
    const title = column.align === "left" ? `${column.title}${mark}` : `${mark}${column.title}`;
    return [span(fit(title, column.width, column.align), "accent")];
  });
  return line(indent, ...join(cells));
}

export function rowLine<Item>(
  columns: readonly Column<Item>[],
  item: Item,
  indent: readonly Span[],
  selected: boolean,
): Line {
  return { ...line(...indent, ...join(columns.map((column) => cellSpans(column, item)))), selected };
}
