/** Which part of a long list is on the screen. */

/** First row to show so that `selected` is visible and the view moves as little as possible. */
export function keepVisible(offset: number, selected: number, height: number, total: number): number {
  if (height <= 0 || total <= 0) return 0;
  let first = offset;
  if (selected < first) first = selected;
  if (selected >= first + height) first = selected - height + 1;
  return clampOffset(first, height, total);
}

/** An offset that leaves no blank rows below the end. */
export function clampOffset(offset: number, height: number, total: number): number {
  return Math.max(0, Math.min(offset, total - Math.max(1, height)));
}

export function clampIndex(index: number, total: number): number {
  return total <= 0 ? 0 : Math.max(0, Math.min(index, total - 1));
}

/** At most the last `limit` of two lists put together. */
export function appendBounded<T>(list: readonly T[], more: readonly T[], limit: number): readonly T[] {
  if (more.length === 0) return list;
  if (more.length >= limit) return more.slice(more.length - limit);
  const keep = Math.min(list.length, limit - more.length);
  return [...list.slice(list.length - keep), ...more];
}
