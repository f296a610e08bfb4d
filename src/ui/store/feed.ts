/** Windows on lists that grow at the end, whose items take one row or several. */
import type { Anchor, Feed } from "./types.ts";

/** A feed's items as the window sees them: rising numbers, and how many rows each takes. */
export interface FeedSource {
  readonly count: number;
  readonly numberAt: (index: number) => number;
  readonly rowsAt: (index: number) => number;
}

/** A place in a feed: an item and a row of it. */
export interface Place {
  readonly index: number;
  readonly row: number;
}

export const newFeed: Feed = {
  follow: true,
  anchor: { n: 0, row: 0 },
  search: "",
  match: null,
  choice: null,
};

/** The first item with a number not below `n`: its own, or the next one when it was dropped. */
export function indexOfNumber(source: FeedSource, n: number): number {
  let low = 0;
  let high = source.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (source.numberAt(middle) < n) low = middle + 1;
    else high = middle;
  }
  return low;
}

function walk(source: FeedSource, from: Place, rows: number): Place {
  let { index, row } = from;
  let left = Math.abs(rows);
  while (left > 0) {
    if (rows > 0) {
      if (row + 1 < source.rowsAt(index)) row += 1;
      else if (index + 1 < source.count) {
        index += 1;
        row = 0;
      } else break;
    } else if (row > 0) row -= 1;
    else if (index > 0) {
      index -= 1;
      row = source.rowsAt(index) - 1;
    } else break;
    left -= 1;
  }
  return { index, row };
}

/** The first place shown when the end is in view. */
function lastPage(source: FeedSource, height: number): Place {
  const last = Math.max(0, source.count - 1);
  const end: Place = { index: last, row: source.count === 0 ? 0 : Math.max(0, source.rowsAt(last) - 1) };
  return walk(source, end, -(Math.max(1, height) - 1));
}

const isAfter = (a: Place, b: Place): boolean => a.index > b.index || (a.index === b.index && a.row > b.row);

/** The first place to draw. */
export function startOf(source: FeedSource, feed: Feed, height: number): Place {
  const bottom = lastPage(source, height);
  if (feed.follow || source.count === 0) return bottom;
  const index = Math.min(indexOfNumber(source, feed.anchor.n), source.count - 1);
  const sameItem = source.numberAt(index) === feed.anchor.n;
  const row = sameItem ? Math.min(feed.anchor.row, source.rowsAt(index) - 1) : 0;
  const wanted: Place = { index, row };
  return isAfter(wanted, bottom) ? bottom : wanted;
}

function anchorAt(source: FeedSource, place: Place): Anchor {
  return { n: source.count === 0 ? 0 : source.numberAt(place.index), row: place.row };
}

/** Moves the window; whoever moves stops following. */
export function moveFeed(source: FeedSource, feed: Feed, rows: number, height: number): Feed {
  const start = walk(source, startOf(source, feed, height), rows);
  return { ...feed, follow: false, anchor: anchorAt(source, start) };
}

/** Stops following where the window is, or follows again. */
export function toggleFollow(source: FeedSource, feed: Feed, height: number): Feed {
  if (!feed.follow) return { ...feed, follow: true };
  return { ...feed, follow: false, anchor: anchorAt(source, startOf(source, feed, height)) };
}

/** Puts an item a third of the way down the window. */
export function showItem(source: FeedSource, feed: Feed, index: number, height: number): Feed {
  const start = walk(source, { index, row: 0 }, -Math.floor(height / 3));
  return { ...feed, follow: false, anchor: anchorAt(source, start) };
}
