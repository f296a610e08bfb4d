/** The lines that a log shows: those of its functions, without what was cleared away. */
import { findFirst } from "./logs.ts";
import type { LogWindow, StoredLine } from "./logs.ts";
import { shownData } from "./select.ts";
import type { ConsoleState, FeedArea } from "./types.ts";

export type LogArea = Extract<FeedArea, "logs" | "all-logs">;

/** Whether a feed is a log. */
export const isLogArea = (area: FeedArea): area is LogArea => area === "logs" || area === "all-logs";

/** Under which name `LogOptions.cleared` knows a log. */
export const clearedKey = (state: ConsoleState, area: LogArea): string =>
  area === "logs" ? (state.ui.table.selectedId ?? "") : "";

/** The functions whose output a log shows; `null`: all. */
export function logSources(state: ConsoleState, area: LogArea): readonly string[] | null {
  if (area === "all-logs") return state.ui.logs.only;
  const { selectedId } = state.ui.table;
  return selectedId === null ? [] : [selectedId];
}

/** Lists of some functions as one, in the order in which the lines came. */
function merged(logs: LogWindow, ids: readonly string[]): readonly StoredLine[] {
  const [only, ...others] = ids.map((id) => logs.byFunction.get(id) ?? []);
  if (only === undefined || others.length === 0) return only ?? [];
  return [only, ...others].flat().sort((a, b) => a.n - b.n);
}

interface Memo {
  readonly logs: LogWindow;
  readonly key: string;
  readonly items: readonly StoredLine[];
}
const memos = new Map<LogArea, Memo>();

/** Drawing, moving and searching ask for the same list many times between two changes. */
export function logItems(state: ConsoleState, area: LogArea): readonly StoredLine[] {
  const { logs } = shownData(state);
  const sources = logSources(state, area);
  const cleared = state.ui.logs.cleared.get(clearedKey(state, area)) ?? 0;
  const key = `${sources === null ? "*" : sources.join(" ")}\u0000${cleared}`;
  const memo = memos.get(area);
  if (memo?.logs === logs && memo.key === key) return memo.items;
  const all = sources === null ? logs.all : merged(logs, sources);
  const items = cleared === 0 ? all : all.slice(findFirst(all, cleared));
  memos.set(area, { logs, key, items });
  return items;
}

/** A line as it is shown: JSON readable, unless it is wanted as it was written. */
export const shownText = (state: ConsoleState, item: StoredLine): string =>
  state.ui.logs.raw ? item.text : (item.readable ?? item.text);
