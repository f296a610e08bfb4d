/** Questions to the state. */
import type { Figures, FunctionFigures } from "../../client/figures.ts";
import type { FunctionView, InstanceView } from "../../protocol/views.ts";
import { instanceStates } from "../../protocol/states.ts";
import type { Scope } from "../keys/bindings.ts";
import type { Data } from "./data.ts";
import { matchesFilter, parseFilter } from "./filter.ts";
import type { Findable } from "./filter.ts";
import type { ConsoleState, FeedArea, ListArea, Modal, ScrollArea, SortKey, TableState } from "./types.ts";

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

type KeyOf = (fn: FunctionView, figures: FunctionFigures | null) => string | number | null;

const downwards = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : -value;

const keyOf: Readonly<Record<Exclude<SortKey, "file">, KeyOf>> = {
  id: (fn) => fn.id,
  state: (fn) => -instanceStates.indexOf(fn.state),
  age: (fn) => -fn.stateSinceMs,
  port: (fn) => fn.triggerPort,
  wakes: (fn) => -fn.wakes,
  exits: (fn) => -fn.exits,
  last: (fn) => downwards(fn.restore.lastMs),
  p50: (fn) => downwards(fn.wake.p50Ms),
  p95: (fn) => downwards(fn.wake.p95Ms),
  cpu: (_, figures) => downwards(figures?.cpuPercent),
  memory: (fn) => downwards(totalMemory(fn)),
  packets: (_, figures) => downwards(figures?.rates.packets.at(-1)),
  error: (fn) => fn.lastError?.code ?? null,
};

function compare(a: string | number, b: string | number): number {
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b, "en", { numeric: true });
  return Number(a) - Number(b);
}

/**
 * Sorted; the busiest, slowest, largest and newest first; unknown values last in either direction; ties as in the file.
 */
export function sortFunctions(
  functions: readonly FunctionView[],
  sort: SortKey,
  reversed: boolean,
  figures: Figures | null = null,
): readonly FunctionView[] {
  if (sort === "file") return reversed ? functions.toReversed() : functions;
  const valueOf = keyOf[sort];
  const keys = new Map(functions.map((fn) => [fn, valueOf(fn, figures?.functions.get(fn.id) ?? null)]));
  return functions.toSorted((a, b) => {
    const left = keys.get(a) ?? null;
    const right = keys.get(b) ?? null;
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return reversed ? compare(right, left) : compare(left, right);
  });
}

/** By what a function is found. */
function findable(fn: FunctionView): Findable {
  const rest = `${fn.state} ${fn.activity ?? ""} ${fn.triggerPort ?? ""} ${fn.lastError?.code ?? ""}`;
  return { name: fn.id, rest };
}

export function containsText(text: string, wanted: string): boolean {
  return wanted === wanted.toLowerCase() ? text.toLowerCase().includes(wanted) : text.includes(wanted);
}

interface RowsMemo {
  readonly functions: readonly FunctionView[];
  /** `null` where the order does not hang on them. */
  readonly figures: Figures | null;
  readonly table: Pick<TableState, "sort" | "reversed" | "filter">;
  readonly rows: readonly FunctionView[];
}
let memo: RowsMemo | null = null;

/** The functions of the table, filtered and sorted. */
export function tableRows(state: ConsoleState): readonly FunctionView[] {
  const data = shownData(state);
  const functions = data.view?.functions ?? [];
  const { sort, reversed, filter } = state.ui.table;
  const figures = sort === "cpu" || sort === "packets" ? data.figures : null;
  const same =
    memo?.functions === functions &&
    memo.figures === figures &&
    memo.table.sort === sort &&
    memo.table.reversed === reversed &&
    memo.table.filter === filter;
  if (memo !== null && same) return memo.rows;
  const wanted = parseFilter(filter);
  const found =
    wanted.kind === "none" ? functions : functions.filter((fn) => matchesFilter(wanted, findable(fn)));
  const rows = sortFunctions(found, sort, reversed, figures);
  memo = { functions, figures, table: { sort, reversed, filter }, rows };
  return rows;
}

/** A row on the screen: a function, or one of its instances below it; "none" stands for the lack of any. */
export interface TableRow {
  readonly fn: FunctionView;
  readonly instance: InstanceView | "none" | null;
}

/** The rows of the table as they are drawn: an expanded function has one for each instance below its own. */
export function displayRows(state: ConsoleState): readonly TableRow[] {
  const { expanded } = state.ui.table;
  return tableRows(state).flatMap((fn): readonly TableRow[] => {
    const own: TableRow = { fn, instance: null };
    if (!expanded.has(fn.id)) return [own];
    if (fn.instances.length === 0) return [own, { fn, instance: "none" }];
    return [own, ...fn.instances.map((instance) => ({ fn, instance }))];
  });
}

export function selectedFunction(state: ConsoleState): FunctionView | null {
  const { selectedId } = state.ui.table;
  return shownData(state).view?.functions.find((fn) => fn.id === selectedId) ?? null;
}

/** The selected function where its row can be seen: one that the filter hides stays selected, but no key hits it. */
function targetInSight(state: ConsoleState): FunctionView | null {
  const fn = selectedFunction(state);
  if (fn === null || state.ui.view !== "functions" || state.ui.pane !== null) return fn;
  return tableRows(state).includes(fn) ? fn : null;
}

/** What an action in the focused place hits: the marked rows of the table where there are some, else the selected function. */
export function targets(state: ConsoleState): readonly FunctionView[] {
  const { marked } = state.ui;
  const isTable = state.ui.view === "functions" && focusedArea(state).type === "table";
  // In the order of the file, whatever the table is sorted by; a filter does not take marks away.
  const functions = shownData(state).view?.functions ?? [];
  const chosen = isTable ? functions.filter(({ id }) => marked.has(id)) : [];
  if (chosen.length > 0) return chosen;
  const fn = targetInSight(state);
  return fn === null ? [] : [fn];
}

/** What the movement keys move: the table, a list of records, something that scrolls, or something that follows. */
export type Area =
  | { readonly type: "table" }
  | { readonly type: "scroll"; readonly area: ScrollArea }
  | { readonly type: "list"; readonly area: ListArea }
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
    case "packets":
      return { type: "feed", area: "packets" };
    case "wakes":
    case "invocations":
      return { type: "list", area: ui.view };
    case "system":
    case "network":
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
    case "list":
      return area.area;
    case "scroll":
      return area.area === "detail" || area.area === "help" ? area.area : "global";
  }
}
