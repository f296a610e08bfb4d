/** Moving, following and searching in the feeds: logs and events. */
import { assertNever } from "../../protocol/errors.ts";
import { eventSource } from "../views/events.ts";
import { logSource } from "../views/logs.ts";
import { packetSource } from "../views/packets.ts";
import type { Move } from "./actions.ts";
import { indexOfNumber, moveFeed, showItem, startOf, toggleFollow } from "./feed.ts";
import type { FeedSource } from "./feed.ts";
import { layoutOf, titleRows } from "./layout.ts";
import type { LogArea } from "./log-items.ts";
import { foundInLog } from "./log-search.ts";
import { focusedArea } from "./select.ts";
import type { ConsoleState, Feed, FeedArea } from "./types.ts";

/** Rows of the content of what has the focus. */
export function viewportRows(state: ConsoleState): number {
  const layout = layoutOf(state);
  const area = focusedArea(state);
  if (area.type === "table") return Math.max(1, layout.main - 1);
  const rows = layout.lower === "pane" && !state.ui.help ? layout.lowerRows : layout.main - titleRows(state);
  return Math.max(1, rows);
}

/** Signed rows of a move; `null` for the two ends. */
export function rowsOfMove(move: Move, height: number): number | null {
  switch (move) {
    case "up":
      return -1;
    case "down":
      return 1;
    case "page-up":
      return -Math.max(1, height - 1);
    case "page-down":
      return Math.max(1, height - 1);
    case "half-up":
      return -Math.max(1, height >> 1);
    case "half-down":
      return Math.max(1, height >> 1);
    case "first":
    case "last":
      return null;
    default:
      return assertNever(move);
  }
}

export function feedSource(state: ConsoleState, area: FeedArea): FeedSource {
  const { columns } = state.ui;
  if (area === "packets") return packetSource(state);
  return area === "events" ? eventSource(state, columns) : logSource(state, area, columns);
}

export function withFeed(state: ConsoleState, area: FeedArea, feed: Feed): ConsoleState {
  return { ...state, ui: { ...state.ui, feeds: { ...state.ui.feeds, [area]: feed } } };
}

export function moveInFeed(state: ConsoleState, area: FeedArea, move: Move): ConsoleState {
  const feed = state.ui.feeds[area];
  const height = viewportRows(state);
  const source = feedSource(state, area);
  if (move === "last") return withFeed(state, area, { ...feed, follow: true });
  const rows = rowsOfMove(move, height);
  if (rows !== null) return withFeed(state, area, moveFeed(source, feed, rows, height));
  return withFeed(state, area, { ...feed, follow: false, anchor: { n: source.numberAt(0), row: 0 } });
}

export function followFeed(state: ConsoleState): ConsoleState {
  const area = focusedArea(state);
  if (area.type !== "feed") return state;
  const feed = state.ui.feeds[area.area];
  return withFeed(state, area.area, toggleFollow(feedSource(state, area.area), feed, viewportRows(state)));
}

/** The log that has the focus. */
export function focusedLog(state: ConsoleState): LogArea | null {
  const area = focusedArea(state);
  return area.type === "feed" && (area.area === "logs" || area.area === "all-logs") ? area.area : null;
}

/** Goes to the next match up or down, round the ends; the first time to the newest one in sight or above. */
export function goToMatch(state: ConsoleState, area: LogArea, direction: 1 | -1): ConsoleState {
  const feed = state.ui.feeds[area];
  if (feed.search === "") return state;
  const height = viewportRows(state);
  const source = feedSource(state, area);
  const { numbers } = foundInLog(state, area);
  const last = Math.min(source.count - 1, startOf(source, feed, height).index + height - 1);
  const next =
    feed.match === null
      ? numbers.findLast((n) => n <= source.numberAt(last))
      : direction === 1
        ? numbers.find((n) => n > (feed.match ?? 0))
        : numbers.findLast((n) => n < (feed.match ?? 0));
  const match = next ?? (feed.match !== null && direction === 1 ? numbers[0] : numbers.at(-1)) ?? null;
  if (match === null) return withFeed(state, area, { ...feed, match });
  const shown = showItem(source, feed, indexOfNumber(source, match), height);
  return withFeed(state, area, { ...shown, match });
}
