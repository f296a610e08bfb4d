/** The table of functions. */
import type { FunctionView } from "../../protocol/views.ts";
import { headerLine, rowLine } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { formatAge, formatBytes } from "../format/units.ts";
import { parseFilter } from "../store/filter.ts";
import { displayRows, selectedFunction, shownData, tableRows } from "../store/select.ts";
import type { TableRow } from "../store/select.ts";
import type { ConsoleState, SortKey } from "../store/types.ts";
import { noFunctions, nothingFound } from "./empty.ts";
import { functionColumns, tableIndent } from "./function-columns.ts";

/** The columns that can be sorted by, under the names the table shows. */
export const sortTitles: Readonly<Record<SortKey, string>> = {
  file: "order in the file",
  id: "function",
  state: "state",
  age: "time in its state",
  port: "port",
  wakes: "wakes",
  exits: "exits",
  last: "last restore",
  p50: "median wake",
  p95: "95th percentile of wakes",
  cpu: "processor",
  memory: "memory",
  packets: "packets a second",
  error: "last error",
};

/** In the place of an instance where there is none: what a wake would begin with. */
function absenceText({ state, snapshot }: FunctionView, nowMs: number | null): string {
  if (snapshot === null) return "no process and no image: the next wake is a cold start";
  const age = nowMs === null ? "" : `, ${formatAge(nowMs - snapshot.atMs)} old`;
  const image = `${formatBytes(snapshot.sizeBytes)} ${snapshot.image}${age}`;
  return state === "Uninitialized" ? "no process" : `no process: it sleeps as an image, ${image}`;
}

function bodyRow(
  state: ConsoleState,
  columns: readonly Column<TableRow>[],
  row: TableRow,
  showsErrors: boolean,
): Line {
  const { fn, instance } = row;
  if (instance === "none") {
    const nowMs = shownData(state).figures?.atMs ?? null;
    return line("  ", span(`└ ${absenceText(fn, nowMs)}`, "dim"));
  }
  if (instance !== null) return rowLine(columns, row, [span("  ")], false);
  const isSelected = fn.id === selectedFunction(state)?.id;
  const focused = state.ui.pane === null || state.ui.focus === "main";
  const mark = span(isSelected ? (focused ? "▌" : "▏") : " ", "accent");
  // Where there is no room for the code, a sign says that there is one; the details have it.
  const error = span(fn.lastError !== null && !showsErrors ? "✗" : " ", "bad");
  const flag = state.ui.marked.has(fn.id) ? span("+", "accent") : error;
  return rowLine(columns, row, [mark, flag], isSelected);
}

export function functionsLines(state: ConsoleState, width: number, height: number): readonly Line[] {
  const all = shownData(state).view?.functions ?? [];
  if (all.length === 0) return noFunctions(state, width);
  const rows = tableRows(state);
  const { offset, sort, reversed, filter } = state.ui.table;
  const columns = functionColumns(state, rows, width);
  const sorted = sort === "file" ? null : { id: sort, reversed };
  const header = headerLine(columns, " ".repeat(tableIndent), sorted);
  if (rows.length === 0) return [header, ...nothingFound(filter, state.ui.keymap)];
  const showsErrors = columns.some((column) => column.id === "error");
  const shown = displayRows(state).slice(offset, offset + Math.max(0, height - 1));
  return [header, ...shown.map((row) => bodyRow(state, columns, row, showsErrors))];
}

/** What the table shows beyond its rows, for the rule below it: filter, order, rows out of sight. */
export function tableNote(state: ConsoleState, outOfSight: string): Line {
  const { filter, sort, reversed } = state.ui.table;
  const rows = tableRows(state).length;
  const all = shownData(state).view?.functions.length ?? 0;
  const notes: Span[][] = [];
  if (filter !== "") {
    const isBroken = parseFilter(filter).kind === "broken";
    const found = isBroken ? span(" is no regular expression", "bad") : span(` ${rows} of ${all}`, "dim");
    notes.push([span("filter ", "dim"), span(filter, "strong"), found]);
  }
  const order = sort === "file" ? "file order" : `by ${sortTitles[sort]}`;
  if (sort !== "file" || reversed) notes.push([span(`${order} ${reversed ? "▴ reversed" : "▾"}`, "dim")]);
  if (outOfSight !== "") notes.push([span(outOfSight, "dim")]);
  return line(...notes.flatMap((note, index) => (index === 0 ? note : [span("  "), ...note])));
}
