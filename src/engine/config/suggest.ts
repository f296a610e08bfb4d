/** "Did you mean": the candidate nearest to a misspelt word. */

/**
 * Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
 * @param limit from so many on the number does not matter, and any that is not below it may be returned
 */
export function editDistance(a: string, b: string, limit = Infinity): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
      if (best < least) least = best;
    }
    // No later row gets below: a swap looks two rows back, and costs one as every step from row to row does.
    if (least >= limit) return least;
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** `triggerPort`, `trigger-port` and `TRIGGER_PORT` are all `trigger_port`. */
function normalize(word: string): string {
  if (/^[a-z\d_]*$/.test(word)) return word;
  return word
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .replace(/[-\s]/g, "_")
    .toLowerCase();
}

/** The candidate that was probably meant; `null` where none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  // Long keys of a hostile file would make the quadratic distance slow, and are no misspelling.
  if (word.length > 64) return null;
  const wanted = normalize(word);
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const known = normalize(candidate);
    // The difference in length is a lower bound, and free.
    if (Math.abs(known.length - wanted.length) >= bestDistance) continue;
    const distance = editDistance(wanted, known, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
