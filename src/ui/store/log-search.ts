/** What the search of a log finds. */
import { compileSearch, matchingIndexes } from "../format/search.ts";
import type { Search } from "../format/search.ts";
import { logItems, shownText } from "./log-items.ts";
import type { LogArea } from "./log-items.ts";
import type { StoredLine } from "./logs.ts";
import type { ConsoleState } from "./types.ts";

export interface Found {
  readonly search: Search;
  /** Numbers of the lines that match, rising. */
  readonly numbers: readonly number[];
  /** Why nothing is found, in words; `null`: the search works. */
  readonly error: string | null;
}

interface Memo {
  readonly items: readonly StoredLine[];
  readonly key: string;
  readonly found: Found;
}
const memos = new Map<LogArea, Memo>();

const keyOf = ({ ui }: ConsoleState, area: LogArea): string =>
  `${ui.logs.regex}${ui.logs.exactCase}${ui.logs.raw}\u0000${ui.feeds[area].search}`;

function searchAll(state: ConsoleState, items: readonly StoredLine[], search: Search): Found {
  const texts = items.map((item) => shownText(state, item));
  const indexes = search.error === null ? matchingIndexes(search, texts, state.ui.logs.regex) : [];
  if (indexes === null) return { search, numbers: [], error: "the pattern takes too long" };
  return { search, numbers: indexes.map((index) => items[index]?.n ?? 0), error: search.error };
}

/** Only new lines are searched when lines came: ten thousand ten times a second would be felt. */
function searchNew(state: ConsoleState, items: readonly StoredLine[], { items: before, found }: Memo): Found {
  const last = before.at(-1)?.n ?? -1;
  const first = items[0]?.n ?? 0;
  const start = items.findLastIndex((item) => item.n <= last) + 1;
  const added = searchAll(state, items.slice(start), found.search);
  const kept = found.numbers[0] === undefined || found.numbers[0] >= first;
  const old = kept ? found.numbers : found.numbers.filter((n) => n >= first);
  return { ...found, numbers: [...old, ...added.numbers], error: added.error };
}

/** Every line of a log that its search matches. */
export function foundInLog(state: ConsoleState, area: LogArea): Found {
  const { regex, exactCase } = state.ui.logs;
  const items = logItems(state, area);
  const key = keyOf(state, area);
  const memo = memos.get(area);
  if (memo?.key === key && memo.items === items) return memo.found;
  const continues = memo?.key === key && memo.found.error === null && grewFrom(memo.items, items);
  const found =
    memo !== undefined && continues
      ? searchNew(state, items, memo)
      : searchAll(state, items, compileSearch(state.ui.feeds[area].search, { regex, exactCase }));
  memos.set(area, { items, key, found });
  return found;
}

/** Whether `items` is `before` with lines added at the end and dropped at the beginning. */
function grewFrom(before: readonly StoredLine[], items: readonly StoredLine[]): boolean {
  const first = items[0];
  const old = before[0];
  const last = before.at(-1);
  if (first === undefined || old === undefined || last === undefined) return false;
  if (first.n < old.n || first.n > last.n) return false;
  // Other functions were chosen: the same place holds another line.
  return items.includes(last) && before.includes(first);
}
