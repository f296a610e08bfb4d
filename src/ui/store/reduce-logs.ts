/** Choosing, marking and clearing lines of a log, and how logs are shown. */
import { assertNever } from "../../protocol/errors.ts";
import type { LogChange, Move } from "./actions.ts";
import { indexOfNumber, showItem, startOf } from "./feed.ts";
import { clearedKey, logItems } from "./log-items.ts";
import type { LogArea } from "./log-items.ts";
import { feedSource, focusedLog, rowsOfMove, viewportRows, withFeed } from "./reduce-feed.ts";
import type { ConsoleState, LogOptions } from "./types.ts";

export const newLogOptions: LogOptions = {
  regex: false,
  exactCase: false,
  raw: false,
  marks: new Set(),
  cleared: new Map(),
  only: null,
};

const maxMarks = 100;

function withLogs(state: ConsoleState, logs: Partial<LogOptions>): ConsoleState {
  return { ...state, ui: { ...state.ui, logs: { ...state.ui.logs, ...logs } } };
}

/** The line on which the search stands where it is in sight, else the last one in sight. */
function lineInSight(state: ConsoleState, area: LogArea): number | null {
  const feed = state.ui.feeds[area];
  const source = feedSource(state, area);
  if (source.count === 0) return null;
  const height = viewportRows(state);
  const start = startOf(source, feed, height);
  let rows = -start.row;
  let index = start.index;
  while (index < source.count && rows + source.rowsAt(index) <= height) {
    if (feed.match !== null && source.numberAt(index) === feed.match) return feed.match;
    rows += source.rowsAt(index);
    index += 1;
  }
  return source.numberAt(Math.max(start.index, index - 1));
}

/** Scrolls only as far as the cursor needs. */
function showCursor(state: ConsoleState, area: LogArea, cursor: number): ConsoleState {
  const feed = state.ui.feeds[area];
  const source = feedSource(state, area);
  const height = viewportRows(state);
  const start = startOf(source, feed, height);
  const index = indexOfNumber(source, cursor);
  const choice = { from: feed.choice?.from ?? null, cursor };
  const still = { ...feed, follow: false, choice };
  const at = (first: number, row: number): ConsoleState =>
    withFeed(state, area, { ...still, anchor: { n: source.numberAt(first), row } });
  if (index < start.index || (index === start.index && start.row > 0)) return at(index, 0);
  let rows = source.rowsAt(index);
  let first = index;
  while (first > start.index && rows + source.rowsAt(first - 1) <= height) {
    first -= 1;
    rows += source.rowsAt(first);
  }
  return first === start.index ? at(start.index, start.row) : at(first, 0);
}

/** Moves the cursor over lines, not rows. */
export function moveChoice(state: ConsoleState, area: LogArea, move: Move): ConsoleState {
  const { choice } = state.ui.feeds[area];
  const source = feedSource(state, area);
  if (choice === null || source.count === 0) return state;
  const rows = rowsOfMove(move, viewportRows(state));
  const end = move === "first" ? 0 : source.count - 1;
  const wanted = rows === null ? end : indexOfNumber(source, choice.cursor) + rows;
  const index = Math.max(0, Math.min(wanted, source.count - 1));
  return showCursor(state, area, source.numberAt(index));
}

/** First the cursor appears; then it says where the choice begins. */
function choose(state: ConsoleState, area: LogArea): ConsoleState {
  const feed = state.ui.feeds[area];
  if (feed.choice !== null) {
    return withFeed(state, area, { ...feed, choice: { ...feed.choice, from: feed.choice.cursor } });
  }
  const cursor = lineInSight(state, area);
  return cursor === null ? state : showCursor(state, area, cursor);
}

export function dropLogChoice(state: ConsoleState, area: LogArea): ConsoleState {
  return withFeed(state, area, { ...state.ui.feeds[area], choice: null });
}

function toggleMark(state: ConsoleState, area: LogArea): ConsoleState {
  const n = state.ui.feeds[area].choice?.cursor ?? lineInSight(state, area);
  if (n === null) return state;
  const marks = new Set(state.ui.logs.marks);
  if (!marks.delete(n)) marks.add(n);
  return withLogs(state, { marks: new Set([...marks].slice(-maxMarks)) });
}

/** To the next marked line up or down, round the ends. */
function seekMark(state: ConsoleState, area: LogArea, direction: 1 | -1): ConsoleState {
  const source = feedSource(state, area);
  const feed = state.ui.feeds[area];
  const marked = logItems(state, area)
    .filter((item) => state.ui.logs.marks.has(item.n))
    .map((item) => item.n);
  if (marked.length === 0) return state;
  const from = feed.choice?.cursor ?? feed.match ?? lineInSight(state, area) ?? 0;
  const next = direction === 1 ? marked.find((n) => n > from) : marked.findLast((n) => n < from);
  const n = next ?? (direction === 1 ? marked[0] : marked.at(-1)) ?? from;
  if (feed.choice !== null) return showCursor(state, area, n);
  const shown = showItem(source, feed, indexOfNumber(source, n), viewportRows(state));
  return withFeed(state, area, { ...shown, match: n });
}

function clear(state: ConsoleState, area: LogArea): ConsoleState {
  const cleared = new Map(state.ui.logs.cleared).set(clearedKey(state, area), state.data.logs.next);
  const feed = state.ui.feeds[area];
  return withFeed(withLogs(state, { cleared }), area, { ...feed, follow: true, choice: null, match: null });
}

function showCleared(state: ConsoleState, area: LogArea): ConsoleState {
  const cleared = new Map(state.ui.logs.cleared);
  cleared.delete(clearedKey(state, area));
  return withLogs(state, { cleared });
}

export function changeLog(state: ConsoleState, change: LogChange): ConsoleState {
  const { logs } = state.ui;
  const area = focusedLog(state);
  switch (change.to) {
    case "regex":
      return withLogs(state, { regex: !logs.regex });
    case "exact-case":
      return withLogs(state, { exactCase: !logs.exactCase });
    case "raw":
      return withLogs(state, { raw: !logs.raw });
    case "only":
      return withLogs(state, { only: change.functionIds });
    case "choose":
      return area === null ? state : choose(state, area);
    case "chosen":
      return area === null ? state : dropLogChoice(state, area);
    case "mark":
      return area === null ? state : toggleMark(state, area);
    case "mark-seek":
      return area === null ? state : seekMark(state, area, change.direction);
    case "clear":
      return area === null ? state : clear(state, area);
    case "show-cleared":
      return area === null ? state : showCleared(state, area);
    default:
      return assertNever(change);
  }
}
