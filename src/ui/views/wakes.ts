/** Every wake, newest first, and where the time of the selected one went: why was it slow? */
import type { NumberedWake } from "../../protocol/wakes.ts";
import { ruleLine } from "../components/rule.ts";
import { fitColumns, headerLine, rowLine } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { formatClock, formatMs, unknown } from "../format/units.ts";
import { listedWakes, listRoom, selectedIndex } from "../store/lists.ts";
import { shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { nothingYet } from "./empty.ts";
import { wakeDetailLines } from "./waterfall.ts";

/** Restore as a thick stroke, the rest of the wake as a thin one, the budget a stroke across both. */
function barSpans(wake: NumberedWake, scaleMs: number, width: number): readonly Span[] {
  const cells = (ms: number): number => Math.round((Math.max(0, ms) / scaleMs) * width);
  const restore = Math.min(width, cells(wake.restoreMs ?? 0));
  const total = Math.min(width, Math.max(restore, cells(wake.totalMs), 1));
  const mark = Math.min(width - 1, cells(wake.budgetMs));
  const parts: Span[] = [];
  for (let cell = 0; cell < width; cell += 1) {
    if (cell === mark) parts.push(span("┆", "warn"));
    else if (cell < restore) parts.push(span("━", wake.overBudget ? "warn" : "calm"));
    else if (cell < total) parts.push(span("─", "dim"));
    else parts.push(span(" "));
  }
  return parts;
}

function resultSpan({ error, overBudget }: NumberedWake, width: number): Span {
  if (error !== null) return span(`✗ ${error.length + 2 > width ? error.replace(/^AE_/, "") : error}`, "bad");
  return overBudget ? span("! over budget", "warn") : span("ok", "dim");
}

/** One cold start of seconds must not flatten the restores: the scale is that of nine wakes in ten. */
function scaleOf(wakes: readonly NumberedWake[]): number {
  const ordered = wakes.map(({ totalMs }) => totalMs).toSorted((a, b) => a - b);
  const budgets = wakes.map(({ budgetMs }) => budgetMs * 1.25);
  return Math.max(1, ...budgets, ordered[Math.floor((ordered.length - 1) * 0.9)] ?? 1);
}

function wakeColumns(scaleMs: number, width: number): readonly Column<NumberedWake>[] {
  const columns: readonly Column<NumberedWake>[] = [
    {
      id: "time",
      title: "TIME",
      width: 12,
      align: "left",
      rank: 3,
      cell: (wake) => span(formatClock(wake.atMs, true), "dim"),
    },
    {
      id: "function",
      title: "FUNCTION",
      width: width < 90 ? 14 : 24,
      align: "left",
      rank: 0,
      cell: (wake) => span(wake.functionId, "strong"),
    },
    { id: "tier", title: "FROM", width: 9, align: "left", rank: 4, cell: (wake) => span(wake.tier) },
    {
      id: "restore",
      title: "RESTORE",
      width: 8,
      align: "right",
      rank: 2,
      cell: (wake) =>
        wake.restoreMs === null
          ? span(unknown, "dim")
          : span(formatMs(wake.restoreMs), wake.overBudget ? "warn" : "text"),
    },
    {
      id: "total",
      title: "TOTAL",
      width: 8,
      align: "right",
      rank: 1,
      cell: (wake) => span(formatMs(wake.totalMs)),
    },
    {
      id: "result",
      title: "RESULT",
      width: width < 116 ? 13 : 24,
      align: "left",
      rank: 4.5,
      cell: (wake, size) => resultSpan(wake, size),
    },
    {
      id: "bar",
      title: `0 – ${formatMs(scaleMs)}`,
      width: 10,
      align: "left",
      rank: 5,
      cell: (wake, size) => barSpans(wake, scaleMs, Math.min(size, 60)),
    },
  ];
  return fitColumns(columns, width - 1, 2);
}

export function wakesLines(state: ConsoleState, width: number, main: number): readonly Line[] {
  const wakes = listedWakes(state);
  if (wakes.length === 0) {
    const { keymap } = state.ui;
    const id = state.ui.onlySelected.wakes ? state.ui.table.selectedId : null;
    return nothingYet(
      id === null ? "No function has been woken yet." : `${id} has not been woken yet.`,
      id === null
        ? `Connect to the port of a sleeping function, or press ${keymap.keyOf("wake")} on it.`
        : `${keymap.keyOf("only-selected")} shows the wakes of all functions.`,
    );
  }
  const { list, detail } = listRoom(main);
  const { offset } = state.ui.lists.wakes;
  const index = selectedIndex(state, "wakes");
  const columns = wakeColumns(scaleOf(wakes), width);
  const shown = wakes.slice(offset, offset + Math.max(0, list - 1));
  const rows = shown.map((wake, row) => {
    const isSelected = offset + row === index;
    return rowLine(columns, wake, [span(isSelected ? "▌ " : "  ", "accent")], isSelected);
  });
  const selected = wakes[index];
  if (selected === undefined) return [headerLine(columns, "  ", null), ...rows];
  const { wakesByFunction, view } = shownData(state);
  const own = wakesByFunction.get(selected.functionId) ?? [];
  const fn = view?.functions.find(({ id }) => id === selected.functionId);
  return [
    headerLine(columns, "  ", null),
    ...rows,
    wakeRule(selected, own, width),
    ...wakeDetailLines(selected, {
      own,
      image: fn?.snapshot?.image ?? null,
      width,
      rows: Math.max(detail, main - 3 - rows.length),
    }),
  ];
}

function wakeRule(wake: NumberedWake, own: readonly NumberedWake[], width: number): Line {
  const isLast = own.at(-1)?.seq === wake.seq;
  const which = isLast ? " last wake" : ` wake at ${formatClock(wake.atMs)}`;
  return ruleLine(
    line(span(wake.functionId, "strong"), span(which, "dim"), span(`  ${formatMs(wake.totalMs)}`, "strong")),
    line(),
    width,
  );
}

export function wakesTitle(state: ConsoleState): Line {
  const wakes = listedWakes(state);
  const late = wakes.filter((wake) => wake.overBudget).length;
  const failed = wakes.filter((wake) => wake.error !== null).length;
  const who = state.ui.onlySelected.wakes ? `of ${state.ui.table.selectedId ?? ""}` : "of all functions";
  return line(
    span("wakes ", "strong"),
    span(`${who}, the last ${wakes.length}  `, "dim"),
    span(late === 0 ? "none over budget" : `${late} over budget`, late === 0 ? "good" : "warn"),
    ...(failed === 0 ? [] : [span(`  ${failed} failed`, "bad")]),
    span("   ━ restore  ─ the rest  ┆ budget", "dim"),
  );
}
