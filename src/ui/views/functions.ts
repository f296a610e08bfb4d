/** The table of functions. */
import type { FunctionView } from "../../protocol/views.ts";
import { headerLine, rowLine, fitColumns } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { sparkline } from "../components/sparkline.ts";
import { line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { formatBytes, formatCount, formatMs, unknown } from "../format/units.ts";
import { textWidth } from "../format/width.ts";
import { selectedFunction, shownData, tableRows, totalMemory } from "../store/select.ts";
import type { ConsoleState, SortKey } from "../store/types.ts";
import { activityLooks, stateLooks } from "../theme/states.ts";
import { noFunctions, nothingFound } from "./empty.ts";

const indent = 2;

/** State and what is under way; where there is one column for both, what is under way replaces the word. */
function stateCell(fn: FunctionView, asked: string | undefined, withActivity: boolean): Span[] {
  const look = stateLooks[fn.state];
  const state = [
    span(`${look.glyph} `, look.role),
    span(fn.state, fn.state === "Uninitialized" ? "dim" : "text"),
  ];
  if (!withActivity) return state;
  const activity = activityCell(fn, asked);
  return activity.text === "" ? state : [activity];
}

function activityCell(fn: FunctionView, asked: string | undefined): Span {
  if (fn.activity !== null) {
    const look = activityLooks[fn.activity];
    return span(`${look.glyph} ${fn.activity}`, look.role);
  }
  return asked === undefined ? span("") : span(`… ${asked}`, "warn");
}

const msCell = (ms: number | null, budgetMs: number): Span =>
  ms === null ? span(unknown, "dim") : span(formatMs(ms), ms > budgetMs ? "warn" : "text");

/** First pid, and how many more there are. */
function pidText(fn: FunctionView): string {
  const pids = fn.instances.flatMap((instance) => (instance.pid === null ? [] : [instance.pid]));
  const [first, ...others] = pids;
  if (first === undefined) return unknown;
  return others.length === 0 ? String(first) : `${first}+${others.length}`;
}

const dimWhenUnknown = (text: string): Span => span(text, text === unknown || text === "0" ? "dim" : "text");

function tableColumns(
  state: ConsoleState,
  rows: readonly FunctionView[],
  width: number,
): readonly Column<FunctionView>[] {
  const { wakesByFunction } = shownData(state);
  const { pending } = state.ui;
  const longest = rows.reduce((most, fn) => Math.max(most, textWidth(fn.id)), 8);
  const idWidth = Math.min(longest, width < 80 ? 14 : width < 110 ? 20 : 32);
  const separate = width >= 112;
  const right = (
    id: string,
    title: string,
    size: number,
    rank: number,
    cell: (fn: FunctionView) => Span,
  ): Column<FunctionView> => ({
    id,
    title,
    width: size,
    align: "right",
    rank,
    cell,
  });
  const all: readonly (Column<FunctionView> | null)[] = [
    {
      id: "id",
      title: "FUNCTION",
      width: idWidth,
      align: "left",
      rank: 0,
      cell: (fn) => span(fn.id, "strong"),
    },
    {
      id: "state",
      title: "STATE",
      width: 15,
      align: "left",
      rank: 1,
      cell: (fn) => stateCell(fn, pending.get(fn.id), !separate),
    },
    separate
      ? {
          id: "activity",
          title: "",
          width: 11,
          align: "left",
          rank: 2,
          cell: (fn) => activityCell(fn, pending.get(fn.id)),
        }
      : null,
    right("port", "PORT", 5, 3, (fn) =>
      dimWhenUnknown(fn.triggerPort === null ? unknown : String(fn.triggerPort)),
    ),
    right("pid", "PID", 7, 8, (fn) => dimWhenUnknown(pidText(fn))),
    right("wakes", "WAKES", 6, 7, (fn) => dimWhenUnknown(formatCount(fn.wakes))),
    right("last", "LAST", 7, 4, (fn) => msCell(fn.restore.lastMs, fn.config.restoreBudgetMs)),
    right("p50", "P50", 7, 6, (fn) => msCell(fn.restore.p50Ms, fn.config.restoreBudgetMs)),
    {
      id: "recent",
      title: "RESTORES",
      width: 12,
      align: "right",
      rank: 10,
      cell: (fn, size) => {
        const times = (wakesByFunction.get(fn.id) ?? []).flatMap((wake) => wake.restoreMs ?? []);
        const top = Math.max(fn.config.restoreBudgetMs, ...times.slice(-size));
        return span(sparkline(times, size, top), "calm");
      },
    },
    right("memory", "MEMORY", 8, 5, (fn) => dimWhenUnknown(formatBytes(totalMemory(fn)))),
    {
      id: "error",
      title: "LAST ERROR",
      // A whole code rather than the chart of restores, where both do not fit.
      width: width >= 108 && rows.some((fn) => fn.lastError !== null) ? 20 : 10,
      align: "left",
      rank: 5.5,
      cell: (fn, size) => {
        if (fn.lastError === null) return span("");
        const { code, what } = fn.lastError;
        // The prefix goes when it would cost the telling part.
        const text =
          size >= code.length + 12
            ? `${code}  ${what}`
            : size >= code.length
              ? code
              : code.replace(/^AE_/, "");
        return span(text, "bad");
      },
    },
  ];
  return fitColumns(
    all.filter((column) => column !== null),
    width - 1,
    indent,
  );
}

/** The columns that can be sorted by, under the names the table shows. */
export const sortTitles: Readonly<Record<SortKey, string>> = {
  file: "order in the file",
  id: "function",
  state: "state",
  port: "port",
  wakes: "wakes",
  last: "last restore",
  p50: "median restore",
  memory: "memory",
  error: "last error",
};

export function functionsLines(state: ConsoleState, width: number, height: number): readonly Line[] {
  const all = shownData(state).view?.functions ?? [];
  if (all.length === 0) return noFunctions(state, width);
  const rows = tableRows(state);
  const { offset, sort, reversed, filter } = state.ui.table;
  const columns = tableColumns(state, rows, width);
  const header = headerLine(columns, " ".repeat(indent), sort === "file" ? null : { id: sort, reversed });
  if (rows.length === 0) return [header, ...nothingFound(filter)];
  const selected = selectedFunction(state)?.id;
  const focused = state.ui.pane === null || state.ui.focus === "main";
  const showsErrors = columns.some((column) => column.id === "error");
  const body = rows.slice(offset, offset + Math.max(0, height - 1)).map((fn) => {
    const isSelected = fn.id === selected;
    const mark = span(isSelected ? (focused ? "▌" : "▏") : " ", "accent");
    // Where there is no room for the code, a sign says that there is one; the details have it.
    const error = span(fn.lastError !== null && !showsErrors ? "✗" : " ", "bad");
    const flag = state.ui.marked.has(fn.id) ? span("+", "accent") : error;
    return rowLine(columns, fn, [mark, flag], isSelected);
  });
  return [header, ...body];
}

/** What the table shows beyond its rows, for the rule below it: filter, order, rows out of sight. */
export function tableNote(state: ConsoleState, outOfSight: string): Line {
  const { filter, sort, reversed } = state.ui.table;
  const rows = tableRows(state).length;
  const all = shownData(state).view?.functions.length ?? 0;
  const notes: Span[][] = [];
  if (filter !== "")
    notes.push([span("filter ", "dim"), span(filter, "strong"), span(` ${rows} of ${all}`, "dim")]);
  if (sort !== "file") notes.push([span(`by ${sortTitles[sort]}${reversed ? ", reversed" : ""}`, "dim")]);
  if (outOfSight !== "") notes.push([span(outOfSight, "dim")]);
  return line(...notes.flatMap((note, index) => (index === 0 ? note : [span("  "), ...note])));
}
