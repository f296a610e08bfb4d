/** How many rows each part of the screen has. Every row is accounted for: nothing overflows, nothing is left blank by accident. */
import { assertNever } from "../../protocol/errors.ts";
import { dialogLines } from "../components/dialog.ts";
import { invokeFormLines } from "../components/invoke-form.ts";
import { paletteLines } from "../components/palette.ts";
import { reportLines } from "../components/report.ts";
import { toastLines } from "../components/toast.ts";
import type { Line } from "../format/line.ts";
import { displayRows, shownData } from "./select.ts";
import type { ConsoleState, ViewId } from "./types.ts";

export const leastColumns = 60;
export const leastRows = 15;

export interface Layout {
  readonly tooSmall: boolean;
  readonly columns: number;
  readonly rows: number;
  /** The table, or the whole of another view. */
  readonly main: number;
  /**
   * What is below the table, after a rule: a pane, the newest events where there is room to spare, or nothing but the
   * rule, which says which rows are out of sight and how they are ordered.
   */
  readonly lower: "pane" | "recent" | "rule" | null;
  readonly lowerRows: number;
  readonly toast: readonly Line[];
  readonly drawer: readonly Line[];
}

/** Header, tabs and hint line. */
const fixedRows = 3;
/** With fewer rows a pane takes the place of the table. */
const splitFrom = 14;
const leastRecent = 4;

function drawerLines(state: ConsoleState): readonly Line[] {
  const { modal, columns } = state.ui;
  if (modal === null) return [];
  switch (modal.type) {
    case "confirm":
      return dialogLines(modal, columns, state.ui.keymap);
    case "report":
      return reportLines(modal, state.ui);
    case "invoke":
      return invokeFormLines(modal, columns, state.ui.keymap);
    case "palette":
      return paletteLines(state, modal, columns);
    case "input":
      return []; // in the hint line
    default:
      return assertNever(modal);
  }
}

/** Nothing can be drawn in so little room. */
export const isTooSmall = ({ ui }: ConsoleState): boolean => ui.columns < leastColumns || ui.rows < leastRows;

export function layoutOf(state: ConsoleState): Layout {
  const { ui } = state;
  const { columns, rows } = ui;
  const tooSmall = isTooSmall(state);
  const available = Math.max(0, rows - fixedRows);
  const drawer = tooSmall ? [] : drawerLines(state).slice(0, Math.max(0, available - 2));
  const toast = tooSmall
    ? []
    : toastLines(ui.toasts, ui.keymap.keyOf("back"), columns, Math.min(4, available - drawer.length - 3));
  const body = Math.max(0, available - drawer.length - toast.length);
  const base = { tooSmall, columns, rows, toast, drawer };
  if (ui.help || ui.view !== "functions") return { ...base, main: body, lower: null, lowerRows: 0 };
  const wanted = displayRows(state).length + 1;
  if (ui.pane === null) {
    const spare = body - wanted - 1;
    const isEmpty = (shownData(state).view?.functions.length ?? 0) === 0;
    if (isEmpty) return { ...base, main: body, lower: null, lowerRows: 0 };
    // The order of the file has no column to show that it is turned round: the rule says it.
    const isTurned = ui.table.sort === "file" && ui.table.reversed;
    const isHiding = wanted > body || ui.table.filter !== "" || isTurned;
    if (isHiding && (spare < leastRecent || wanted === 1))
      return { ...base, main: body - 1, lower: "rule", lowerRows: 0 };
    if (spare < leastRecent) return { ...base, main: body, lower: null, lowerRows: 0 };
    return { ...base, main: wanted, lower: "recent", lowerRows: spare };
  }
  if (ui.zoomed || body < splitFrom) return { ...base, main: 0, lower: "pane", lowerRows: body - 1 };
  const main = Math.max(4, Math.min(wanted, Math.floor(body * 0.42)));
  return { ...base, main, lower: "pane", lowerRows: body - main - 1 };
}

/** Rows of the views that have a title row above their content. */
export function titleRows({ ui }: ConsoleState): 0 | 1 {
  const titled: readonly ViewId[] = ["logs", "events", "wakes", "invocations", "packets"];
  return !ui.help && titled.includes(ui.view) ? 1 : 0;
}
