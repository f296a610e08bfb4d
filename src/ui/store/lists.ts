/** Lists of records, the newest first: which of them are shown, which is selected. */
import type { InvocationRecord } from "../../protocol/invocations.ts";
import type { NumberedWake } from "../../protocol/wakes.ts";
import { clampIndex, keepVisible } from "../format/window.ts";
import type { Move } from "./actions.ts";
import { layoutOf } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { rowsOfMove } from "./reduce-feed.ts";
import { shownData } from "./select.ts";
import type { ConsoleState, ListArea, ListState } from "./types.ts";

export const newList: ListState = { selected: null, offset: 0 };

/** Rows below the list that show the selected record: what is left of them when the screen is low. */
const leastList = 4;
const mostDetail = 14;

/** How the room of a view with a list is shared: title, list with its heading, rule, the selected record. */
export function listRoom(main: number): { readonly list: number; readonly detail: number } {
  const inner = Math.max(0, main - 2);
  const detail = Math.max(0, Math.min(mostDetail, inner - leastList));
  return { list: inner - detail, detail };
}

/** The wakes that are listed: of all functions or of the selected one, newest first. */
export function listedWakes(state: ConsoleState): readonly NumberedWake[] {
  const { wakes, wakesByFunction } = shownData(state);
  const { onlySelected, table } = state.ui;
  const shown = onlySelected.wakes ? (wakesByFunction.get(table.selectedId ?? "") ?? []) : wakes;
  return shown.toReversed();
}

/** The invocations that are listed, newest first. */
export function listedInvocations(state: ConsoleState): readonly InvocationRecord[] {
  const { invocations } = shownData(state);
  const { onlySelected, table } = state.ui;
  const shown = onlySelected.invocations
    ? invocations.filter(({ functionId }) => functionId === table.selectedId)
    : invocations;
  return shown.toReversed();
}

interface Listed {
  readonly key: string;
  readonly functionId: string;
}

function listed(state: ConsoleState, area: ListArea): readonly Listed[] {
  switch (area) {
    case "wakes":
      return listedWakes(state).map(({ seq, functionId }) => ({ key: String(seq), functionId }));
    case "invocations":
      return listedInvocations(state).map(({ id, functionId }) => ({ key: id, functionId }));
  }
}

/** Where the selection is: at the newest one unless another was chosen; at the end where that one was dropped. */
export function selectedIndex(state: ConsoleState, area: ListArea): number {
  const { selected } = state.ui.lists[area];
  if (selected === null) return 0;
  const records = listed(state, area);
  const index = records.findIndex(({ key }) => key === selected);
  return index === -1 ? clampIndex(records.length - 1, records.length) : index;
}

export function selectedRecordFunction(state: ConsoleState, area: ListArea): string | null {
  return listed(state, area)[selectedIndex(state, area)]?.functionId ?? null;
}

function withList(state: ConsoleState, area: ListArea, list: ListState): ConsoleState {
  return { ...state, ui: { ...state.ui, lists: { ...state.ui.lists, [area]: list } } };
}

export function moveInList(state: ConsoleState, area: ListArea, move: Move): ConsoleState {
  const records = listed(state, area);
  const rows = rowsOfMove(move, Math.max(1, listRoom(layoutOf(state).main).list - 1));
  const end = move === "first" ? 0 : records.length - 1;
  const index = clampIndex(rows === null ? end : selectedIndex(state, area) + rows, records.length);
  // At the top the selection goes on to each new record.
  const selected = index === 0 ? null : (records[index]?.key ?? null);
  return withList(state, area, { ...state.ui.lists[area], selected });
}

/** Puts the window of a list where its selection is in sight. */
export function settleList(state: ConsoleState, area: ListArea, { main }: Layout): ConsoleState {
  const list = state.ui.lists[area];
  const height = Math.max(1, listRoom(main).list - 1);
  const offset = keepVisible(list.offset, selectedIndex(state, area), height, listed(state, area).length);
  return offset === list.offset ? state : withList(state, area, { ...list, offset });
}
