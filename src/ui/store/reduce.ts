/** The reducer: one pure function from state and action to state. */
import { assertNever } from "../../protocol/errors.ts";
import { defaultKeymap } from "../keys/keymap.ts";
import type { Action, Move } from "./actions.ts";
import { emptyData, receive, withLink } from "./data.ts";
import type { Data } from "./data.ts";
import { newFeed } from "./feed.ts";
import { changeLog, dropLogChoice, moveChoice, newLogOptions } from "./reduce-logs.ts";
import {
  followFeed,
  focusedLog,
  goToMatch,
  moveInFeed,
  rowsOfMove,
  viewportRows,
  withFeed,
} from "./reduce-feed.ts";
import {
  acceptInput,
  cancelInput,
  moveDialog,
  movePalette,
  openInput,
  openPalette,
  pasteText,
  typeKey,
  withModal,
} from "./reduce-modal.ts";
import { moveField } from "./invoke-form.ts";
import { moveReport, showFailures, withFailures } from "./reduce-report.ts";
import { isLogArea } from "./log-items.ts";
import { moveInList, newList, selectedRecordFunction } from "./lists.ts";
import { focusedArea, shownData, tableRows } from "./select.ts";
import { settle } from "./settle.ts";
import { sortKeys } from "./types.ts";
import type { ConsoleState, Toast, Ui } from "./types.ts";

const maxToasts = 5;
const maxHistory = 10;

export function initialState(
  engineName: string,
  mode: Data["mode"],
  options: Pick<Ui, "columns" | "rows" | "theme" | "readOnly"> &
    Partial<Pick<Ui, "keymap">> & { readonly numbersOnly?: boolean },
): ConsoleState {
  const { numbersOnly, ...ui } = options;
  return {
    data: emptyData(engineName, mode, numbersOnly),
    held: null,
    ui: {
      keymap: defaultKeymap,
      ...ui,
      view: "functions",
      history: [],
      pane: null,
      focus: "main",
      zoomed: false,
      help: false,
      table: {
        selectedId: null,
        selectedIndex: 0,
        offset: 0,
        sort: "file",
        reversed: false,
        filter: "",
        expanded: new Set(),
      },
      scroll: { detail: 0, system: 0, config: 0, network: 0, help: 0 },
      lists: { wakes: newList, invocations: newList },
      onlySelected: { wakes: false, invocations: false, packets: true },
      eventFilter: "",
      feeds: { logs: newFeed, "all-logs": newFeed, events: newFeed, packets: newFeed },
      wrap: false,
      times: true,
      logs: newLogOptions,
      modal: null,
      toasts: [],
      marked: new Set(),
      drafts: new Map(),
      failures: [],
      pending: new Map(),
      seenEvent: 0,
    },
  };
}

const withUi = (state: ConsoleState, ui: Partial<Ui>): ConsoleState => ({
  ...state,
  ui: { ...state.ui, ...ui },
});

function move(state: ConsoleState, by: Move): ConsoleState {
  if (state.ui.modal?.type === "report") return moveReport(state, state.ui.modal, by);
  const area = focusedArea(state);
  if (area.type === "feed") {
    const isChoosing = state.ui.feeds[area.area].choice !== null;
    return isChoosing && isLogArea(area.area)
      ? moveChoice(state, area.area, by)
      : moveInFeed(state, area.area, by);
  }
  if (area.type === "list") return moveInList(state, area.area, by);
  const rows = rowsOfMove(by, viewportRows(state));
  const end = by === "first" ? 0 : Number.MAX_SAFE_INTEGER;
  if (area.type === "scroll") {
    const offset = rows === null ? end : state.ui.scroll[area.area] + rows;
    return withUi(state, { scroll: { ...state.ui.scroll, [area.area]: Math.max(0, offset) } });
  }
  const list = tableRows(state);
  const wanted = rows === null ? end : state.ui.table.selectedIndex + rows;
  const index = Math.max(0, Math.min(wanted, list.length - 1));
  const selectedId = list[index]?.id ?? null;
  return withUi(state, { table: { ...state.ui.table, selectedIndex: index, selectedId } });
}

/** Marks the selected row or takes its mark off, and goes to the next one. */
function markRow(state: ConsoleState): ConsoleState {
  const { selectedId } = state.ui.table;
  if (selectedId === null) return state;
  const marked = new Set(state.ui.marked);
  if (!marked.delete(selectedId)) marked.add(selectedId);
  return move(withUi(state, { marked }), "down");
}

/** All rows that the filter lets through; none, where they are marked already. */
function markAll(state: ConsoleState): ConsoleState {
  const ids = tableRows(state).map(({ id }) => id);
  const all = ids.every((id) => state.ui.marked.has(id));
  return withUi(state, { marked: new Set(all ? [] : ids) });
}

/** Esc: closes what is on top. Never quits. */
function back(state: ConsoleState): ConsoleState {
  const { ui } = state;
  const log = focusedLog(state);
  if (ui.toasts.length > 0) return withUi(state, { toasts: [] });
  if (ui.help) return withUi(state, { help: false });
  if (log !== null && ui.feeds[log].choice !== null) return dropLogChoice(state, log);
  if (log !== null && ui.feeds[log].search !== "") {
    return withFeed(state, log, { ...ui.feeds[log], search: "", match: null });
  }
  if (ui.view === "functions") {
    if (ui.pane !== null && ui.zoomed) return withUi(state, { zoomed: false });
    if (ui.pane !== null) return withUi(state, { pane: null, focus: "main" });
    if (ui.marked.size > 0) return withUi(state, { marked: new Set() });
    if (ui.table.filter !== "") return withUi(state, { table: { ...ui.table, filter: "" } });
  }
  if (ui.view === "events" && ui.eventFilter !== "") return withUi(state, { eventFilter: "" });
  const view = ui.history.at(-1);
  if (view !== undefined) return withUi(state, { view, history: ui.history.slice(0, -1) });
  return ui.view === "functions" ? state : withUi(state, { view: "functions" });
}

/** At the table; Esc goes back to where one came from. */
const atFunctions = (ui: ConsoleState["ui"]): Pick<ConsoleState["ui"], "view" | "history"> => ({
  view: "functions",
  history: [...ui.history.filter((view) => view !== ui.view), ui.view].slice(-maxHistory),
});

/** From a record to the function it is of, with its details open. */
function goToFunction(state: ConsoleState): ConsoleState {
  const area = focusedArea(state);
  const id = area.type === "list" ? selectedRecordFunction(state, area.area) : null;
  if (id === null || !(shownData(state).view?.functions.some((fn) => fn.id === id) ?? false)) return state;
  const { ui } = state;
  return withUi(state, {
    ...atFunctions(ui),
    table: { ...ui.table, selectedId: id, filter: "" },
    pane: "detail",
    focus: "pane",
  });
}

/** A filter that hides it goes. */
function selectNamed(state: ConsoleState, id: string): ConsoleState {
  const { ui } = state;
  const isShown = tableRows(state).some((fn) => fn.id === id);
  return withUi(state, {
    ...(ui.view === "functions" ? {} : atFunctions(ui)),
    table: { ...ui.table, selectedId: id, filter: isShown ? ui.table.filter : "" },
    marked: new Set(),
    focus: "main",
  });
}

function toggleOnlySelected(state: ConsoleState): ConsoleState {
  const { view, onlySelected } = state.ui;
  if (view !== "wakes" && view !== "invocations" && view !== "packets") return state;
  return withUi(state, { onlySelected: { ...onlySelected, [view]: !onlySelected[view] } });
}

function addToast(
  state: ConsoleState,
  { id, level, text, error }: Extract<Action, { type: "toast" }>,
): ConsoleState {
  const same = (toast: Toast): boolean =>
    toast.level === level &&
    toast.text === text &&
    toast.error?.code === error?.code &&
    toast.error?.what === error?.what;
  const times = (state.ui.toasts.find((toast) => same(toast))?.times ?? 0) + 1;
  const others = state.ui.toasts.filter((toast) => !same(toast));
  return withUi(state, { toasts: [...others, { id, level, text, error, times }].slice(-maxToasts) });
}

function step(state: ConsoleState, action: Action): ConsoleState {
  const { ui } = state;
  switch (action.type) {
    case "received":
      return { ...state, data: action.messages.reduce(receive, state.data) };
    case "link":
      return { ...state, data: withLink(state.data, action.link) };
    case "resize":
      return withUi(state, { columns: action.columns, rows: action.rows });
    case "move":
      return move(state, action.move);
    case "view": {
      if (ui.view === action.view) return withUi(state, { help: false });
      // The table is home: whoever went there by its key has nothing behind it to fall back into.
      if (action.view === "functions") return withUi(state, { view: action.view, history: [], help: false });
      const history = [...ui.history.filter((view) => view !== action.view), ui.view].slice(-maxHistory);
      return withUi(state, { view: action.view, history, help: false });
    }
    case "pane":
      if (ui.pane === action.pane && ui.focus === "pane") return state;
      return withUi(state, { pane: action.pane, focus: "pane", scroll: { ...ui.scroll, detail: 0 } });
    case "focus":
      if (ui.pane === null) return state;
      return withUi(state, { focus: ui.focus === "main" ? "pane" : "main", zoomed: false });
    case "zoom":
      return ui.pane === null ? state : withUi(state, { zoomed: !ui.zoomed });
    case "help":
      return withUi(state, { help: !ui.help, scroll: { ...ui.scroll, help: 0 } });
    case "back":
      return back(state);
    case "sort": {
      const next = sortKeys.indexOf(ui.table.sort) + action.by + sortKeys.length;
      const sort = sortKeys[next % sortKeys.length] ?? "file";
      return withUi(state, { table: { ...ui.table, sort } });
    }
    case "expand": {
      const id = ui.table.selectedId;
      if (id === null || ui.table.expanded.has(id) === action.open) return state;
      const expanded = new Set(ui.table.expanded);
      if (action.open) expanded.add(id);
      else expanded.delete(id);
      return withUi(state, { table: { ...ui.table, expanded } });
    }
    case "only-selected":
      return toggleOnlySelected(state);
    case "select":
      return selectNamed(state, action.functionId);
    case "go-to-function":
      return goToFunction(state);
    case "reverse":
      return withUi(state, { table: { ...ui.table, reversed: !ui.table.reversed } });
    case "follow":
      return followFeed(state);
    case "wrap":
      return withUi(state, { wrap: !ui.wrap });
    case "times":
      return withUi(state, { times: !ui.times });
    case "match": {
      const log = focusedLog(state);
      return log === null ? state : goToMatch(state, log, action.direction);
    }
    case "log":
      return changeLog(state, action.change);
    case "hold":
      return { ...state, held: state.held === null ? state.data : null };
    case "theme":
      return withUi(state, { theme: action.theme });
    case "open-input":
      return openInput(state, action.target);
    case "open-palette":
      return openPalette(state);
    case "ask":
      return withModal(state, action.modal);
    case "type":
      return typeKey(state, action.press);
    case "paste":
      return pasteText(state, action.text);
    case "palette-move":
      return movePalette(state, action.by);
    case "dialog-move":
      return moveDialog(state);
    case "accept":
      return acceptInput(state);
    case "close-modal":
      return cancelInput(state);
    case "mark":
      return markRow(state);
    case "mark-all":
      return markAll(state);
    case "unmark":
      return withUi(state, { marked: new Set() });
    case "form":
      return withModal(state, action.form);
    case "form-move":
      return ui.modal?.type === "invoke" ? withModal(state, moveField(ui.modal, action.by)) : state;
    case "drafted":
      return withUi(state, { drafts: new Map(ui.drafts).set(action.form.functionId, action.form) });
    case "failed":
      return withFailures(state, action.failures);
    case "show-failures":
      return showFailures(state);
    case "asked":
      return withUi(state, { pending: new Map(ui.pending).set(action.functionId, action.action) });
    case "answered": {
      if (ui.pending.get(action.functionId) !== action.action) return state;
      const pending = new Map(ui.pending);
      pending.delete(action.functionId);
      return withUi(state, { pending });
    }
    case "toast":
      return addToast(state, action);
    case "expire":
      return withUi(state, { toasts: ui.toasts.filter((toast) => toast.id !== action.id) });
    default:
      return assertNever(action);
  }
}

export function reduce(state: ConsoleState, action: Action): ConsoleState {
  const next = step(state, action);
  return next === state ? state : settle(next);
}
