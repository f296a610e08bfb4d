/** Every wake with its times: why was the last one slow? Newest first. */
import { line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { headerLine, rowLine, fitColumns } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { formatClock, formatMs, unknown } from "../format/units.ts";
import { shownData } from "../store/select.ts";
import type { WakeRecord } from "../store/data.ts";
import type { ConsoleState } from "../store/types.ts";
import { nothingYet } from "./empty.ts";

/** Restore as a thick stroke, the rest of the wake as a thin one, the budget a stroke across both. */
function barSpans(
  wake: WakeRecord,
  budgetMs: number | null,
  scaleMs: number,
  width: number,
): readonly Span[] {
  const cells = (ms: number): number => Math.round((Math.max(0, ms) / scaleMs) * width);
  const restore = Math.min(width, cells(wake.restoreMs ?? 0));
  const total = Math.min(width, Math.max(restore, cells(wake.totalMs), 1));
  const mark = budgetMs === null ? -1 : Math.min(width - 1, cells(budgetMs));
  const parts: Span[] = [];
  for (let cell = 0; cell < width; cell += 1) {
    if (cell === mark) parts.push(span("┆", "warn"));
    else if (cell < restore) parts.push(span("━", wake.overBudget ? "warn" : "calm"));
    else if (cell < total) parts.push(span("─", "dim"));
    else parts.push(span(" "));
  }
  return parts;
}

export function wakesLines(state: ConsoleState, width: number): readonly Line[] {
  const { wakes, view } = shownData(state);
  if (wakes.length === 0) {
    return nothingYet(
      "No function has been woken yet.",
      "Connect to the port of a sleeping function, or press W on it.",
    );
  }
  const budgets = new Map(view?.functions.map((fn) => [fn.id, fn.config.restoreBudgetMs]));
  const shown = wakes.toReversed();
  // One cold start of seconds must not flatten the restores: the scale is that of nine wakes in ten.
  const ordered = shown.map((wake) => wake.totalMs).toSorted((a, b) => a - b);
  const scale = Math.max(
    1,
    ...Array.from(budgets.values(), (budget) => budget * 1.25),
    ordered[Math.floor((ordered.length - 1) * 0.9)] ?? 1,
  );
  const columns: readonly Column<WakeRecord>[] = [
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
      id: "bar",
      title: `0 – ${formatMs(scale)}`,
      width: 10,
      align: "left",
      rank: 5,
      cell: (wake, size) => barSpans(wake, budgets.get(wake.functionId) ?? null, scale, Math.min(size, 60)),
    },
  ];
  const fitted = fitColumns(columns, width - 1, 2);
  return [headerLine(fitted, "  ", null), ...shown.map((wake) => rowLine(fitted, wake, [span("  ")], false))];
}

export function wakesTitle(state: ConsoleState): Line {
  const { wakes } = shownData(state);
  const late = wakes.filter((wake) => wake.overBudget).length;
  return line(
    span("wakes", "strong"),
    span(`  the last ${wakes.length}  `, "dim"),
    span(late === 0 ? "none over budget" : `${late} over budget`, late === 0 ? "good" : "warn"),
    span("   ━ restore  ─ the rest  ┆ budget", "dim"),
  );
}
