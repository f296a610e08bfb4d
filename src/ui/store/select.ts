/** Questions to the state. */
import type { FunctionView } from "../../protocol/views.ts";
import { instanceStates } from "../../protocol/states.ts";
import type { Scope } from "../keys/bindings.ts";
import type { Data } from "./data.ts";
import type { ConsoleState, FeedArea, Modal, ScrollArea, SortKey, TableState } from "./types.ts";

/** The data to draw: the newest, or what is held. */
export function shownData(state: ConsoleState): Data {
  return state.held ?? state.data;
}

export function totalMemory(fn: FunctionView): number | null {
  let total: number | null = null;
  for (const instance of fn.instances) {
    if (instance.memoryBytes !== null) total = (total ?? 0) + instance.memoryBytes;
  }
  return total;
}

const keyOf: Readonly<Record<Exclude<SortKey, "file">, (fn: FunctionView) => string | number | null>> = {
  id: (fn) => fn.id,
  state: (fn) => -instanceStates.indexOf(fn.state),
  port: (fn) => fn.triggerPort,
  wakes: (fn) => -fn.wakes,
  last: (fn) => (fn.restore.lastMs === null ? null : -fn.restore.lastMs),
  p50: (fn) => (fn.restore.p50Ms === null ? null : -fn.restore.p50Ms),
  memory: (fn) => {
    const bytes = totalMemory(fn);
    return bytes === null ? null : -bytes;
  },
  error: (fn) => fn.lastError?.code ?? null,
};

function compare(a: string | number, b: string | number): number {
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b, "en", { numeric: true });
  return Number(a) - Number(b);
}

/** Sorted; the busiest, slowest and largest first; unknown values last in either direction; ties as in the file. */
export function sortFunctions(
  functions: readonly FunctionView[],
  sort: SortKey,
  reversed: boolean,
): readonly FunctionView[] {
  if (sort === "file") return reversed ? functions.toReversed() : functions;
  const valueOf = keyOf[sort];
  return functions.toSorted((a, b) => {
    const left = valueOf(a);
    const right = valueOf(b);
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return reversed ? compare(right, left) : compare(left, right);
  });
}

/** Lower case in the words finds both cases; every word has to be there. */
export function matchesFilter(fn: FunctionView, filter: string): boolean {
  const text = `${fn.id} ${fn.state} ${fn.activity ?? ""} ${fn.triggerPort ?? ""} ${fn.lastError?.code ?? ""}`;
  return filter.split(/\s+/).every((word) => containsText(text, word));
}

export function containsText(text: string, wanted: string): boolean {
  return wanted === wanted.toLowerCase() ? text.toLowerCase().includes(wanted) : text.includes(wanted);
}

interface RowsMemo {
  readonly functions: readonly FunctionView[];
  readonly table: Pick<TableState, "sort" | "reversed" | "filter">;
  readonly rows: readonly FunctionView[];
}
let memo: RowsMemo | null = null;

/** The rows of the table, filtered and sorted. */
export function tableRows(state: ConsoleState): readonly FunctionView[] {
  const functions = shownData(state).view?.functions ?? [];
  const { sort, reversed, filter } = state.ui.table;
  const same =
    memo?.functions === functions &&
    memo.table.sort === sort &&
    memo.table.reversed === reversed &&
    memo.table.filter === filter;
  if (memo !== null && same) return memo.rows;
  const found = filter.trim() === "" ? functions : functions.filter((fn) => matchesFilter(fn, filter.trim()));
  const rows = sortFunctions(found, sort, reversed);
  memo = { functions, table: { sort, reversed, filter }, rows };
  return rows;
}

export function selectedFunction(state: ConsoleState): FunctionView | null {
  const { selectedId } = state.ui.table;
  return shownData(state).view?.functions.find((fn) => fn.id === selectedId) ?? null;
}

/** What an action in the focused place hits: the marked rows of the table where there are some, else the selected function. */
export function targets(state: ConsoleState): readonly FunctionView[] {
  const { marked } = state.ui;
  const isTable = state.ui.view === "functions" && focusedArea(state).type === "table";
  // In the order of the file, whatever the table is sorted by; a filter does not take marks away.
  const functions = shownData(state).view?.functions ?? [];
  const chosen = isTable ? functions.filter(({ id }) => marked.has(id)) : [];
  if (chosen.length > 0) return chosen;
  const fn = selectedFunction(state);
  return fn === null ? [] : [fn];
}

/** What the movement keys move: the table, something that scrolls, or something that follows. */
export type Area =
  | { readonly type: "table" }
  | { readonly type: "scroll"; readonly area: ScrollArea }
  | { readonly type: "feed"; readonly area: FeedArea };

export function focusedArea({ ui }: ConsoleState): Area {
  if (ui.help) return { type: "scroll", area: "help" };
  switch (ui.view) {
    case "functions":
      if (ui.pane === null || ui.focus === "main") return { type: "table" };
      return ui.pane === "logs" ? { type: "feed", area: "logs" } : { type: "scroll", area: "detail" };
    case "logs":
      return { type: "feed", area: "all-logs" };
    case "events":
      return { type: "feed", area: "events" };
    case "wakes":
    case "engine":
    case "config":
      return { type: "scroll", area: ui.view };
  }
}

const modalScopes = {
  confirm: "dialog",
  report: "report",
  invoke: "form",
  palette: "palette",
  input: "input",
} as const satisfies Readonly<Record<Modal["type"], Scope>>;

/** The scope in which keys are looked up. */
export function keyScope(state: ConsoleState): Scope {
  const { ui } = state;
  if (ui.modal !== null) return modalScopes[ui.modal.type];
  const area = focusedArea(state);
  switch (area.type) {
    case "table":
      return "functions";
    case "feed":
      return ui.feeds[area.area].choice === null ? area.area : "lines";
    case "scroll":
      return area.area === "detail" || area.area === "help" ? area.area : "global";
  }
}
