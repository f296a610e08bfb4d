/** The table of `aether wakes`: one line a wake, one column a phase, in milliseconds. */
import { wakePhases } from "../../protocol/wakes.ts";
import type { NumberedWake, WakePhase } from "../../protocol/wakes.ts";
import { formatClock, formatMs, unknown } from "../../ui/format/units.ts";
import { renderTable } from "./table.ts";
import type { Cell, Column } from "./table.ts";

export function wakesTable(wakes: readonly NumberedWake[], colors: boolean): string {
  // Phases that no wake shown here had would be empty columns.
  const phases = wakePhases.filter((phase) => wakes.some((wake) => wake.phases[phase] !== undefined));
  const columns: Column[] = [
    { title: "TIME" },
    { title: "FUNCTION" },
    { title: "FROM" },
    { title: "CAUSE" },
    ...phases.map((phase): Column => ({ title: phase.toUpperCase(), align: "right" })),
    { title: "TOTAL", align: "right" },
    { title: "BUDGET", align: "right" },
    { title: "RESULT" },
  ];
  return renderTable(
    columns,
    wakes.map((wake) => row(wake, phases)),
    colors,
  );
}

function row(wake: NumberedWake, phases: readonly WakePhase[]): Cell[] {
  return [
    { text: formatClock(wake.seenAtMs, true) },
    { text: wake.functionId },
    { text: wake.tier },
    { text: wake.cause },
    ...phases.map((phase): Cell => {
      const time = wake.phases[phase];
      return { text: time === undefined ? unknown : formatMs(time / 1000) };
    }),
    { text: formatMs(wake.totalMs) },
    { text: wake.restoreMs === null ? unknown : formatMs(wake.budgetMs) },
    result(wake),
  ];
}

function result(wake: NumberedWake): Cell {
  if (wake.error !== null) return { text: wake.error, style: "red" };
  return wake.overBudget ? { text: "over budget", style: "yellow" } : { text: "served" };
}
