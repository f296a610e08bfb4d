/** After every change: selection, offsets and focus are put where the new data and sizes allow. */
import { keepVisible, clampIndex, clampOffset } from "../format/window.ts";
import { contentLines } from "../views/content.ts";
import { layoutOf } from "./layout.ts";
import { displayRows, focusedArea, tableRows } from "./select.ts";
import type { ConsoleState, TableState, Ui } from "./types.ts";
import { newFeed } from "./feed.ts";
import { settleList } from "./lists.ts";
import { viewportRows } from "./reduce-feed.ts";

function settleTable(state: ConsoleState, height: number): TableState {
  const { table } = state.ui;
  const rows = tableRows(state);
  const found = rows.findIndex((fn) => fn.id === table.selectedId);
  // The selected function went away: take the one that moved up into its place.
  const index = found === -1 ? clampIndex(table.selectedIndex, rows.length) : found;
  const selectedId = rows[index]?.id ?? (rows.length === 0 && table.filter !== "" ? table.selectedId : null);
  const shown = displayRows(state);
  const row = shown.findIndex(({ fn, instance }) => fn.id === selectedId && instance === null);
  const under = shown.findLastIndex(({ fn }) => fn.id === selectedId) - row;
  // What is expanded is in sight with its function, as far as there is room.
  const below = keepVisible(table.offset, row + Math.min(under, height - 1), height, shown.length);
  const offset = keepVisible(below, Math.max(0, row), height, shown.length);
  const same = selectedId === table.selectedId && index === table.selectedIndex && offset === table.offset;
  return same ? table : { ...table, selectedId, selectedIndex: index, offset };
}

/** Marks of functions that went away go too. */
function settleMarks({ data, ui }: ConsoleState): Ui["marked"] {
  if (ui.marked.size === 0 || data.view === null) return ui.marked;
  const known = new Set(data.view.functions.map(({ id }) => id));
  const kept = [...ui.marked].filter((id) => known.has(id));
  return kept.length === ui.marked.size ? ui.marked : new Set(kept);
}

export function settle(before: ConsoleState): ConsoleState {
  const layout = layoutOf(before);
  if (layout.tooSmall) return before;
  const marked = settleMarks(before);
  const table = settleTable(before, Math.max(1, layout.main - 1));
  let ui: Ui = table === before.ui.table ? before.ui : { ...before.ui, table };
  if (marked !== ui.marked) ui = { ...ui, marked };
  if (table.selectedId !== before.ui.table.selectedId) {
    const { search } = ui.feeds.logs;
    ui = { ...ui, scroll: { ...ui.scroll, detail: 0 }, feeds: { ...ui.feeds, logs: { ...newFeed, search } } };
  }
  const focus = ui.pane === null ? "main" : layout.lower === "pane" && layout.main === 0 ? "pane" : ui.focus;
  if (focus !== ui.focus) ui = { ...ui, focus };
  if (ui.view === "events") {
    const newest = before.data.events.at(-1)?.seq ?? 0;
    if (newest > ui.seenEvent) ui = { ...ui, seenEvent: newest };
  }
  const after = ui === before.ui ? before : { ...before, ui };
  const area = focusedArea(after);
  if (area.type === "list") return settleList(after, area.area, layout);
  if (area.type !== "scroll") return after;
  const total = contentLines(after, area.area, ui.columns).length;
  const offset = clampOffset(ui.scroll[area.area], viewportRows(after), total);
  if (offset === ui.scroll[area.area]) return after;
  return { ...after, ui: { ...ui, scroll: { ...ui.scroll, [area.area]: offset } } };
}
