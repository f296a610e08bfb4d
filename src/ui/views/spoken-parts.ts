/** What a screen reader gets of views that are longer than the screen: never less than what stands around them. */
import { plainText } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { wrapWords } from "../format/width.ts";
import { keepVisible } from "../format/window.ts";

export interface Part {
  /** Said in any case: what it is. */
  readonly head: readonly Line[];
  readonly body: readonly Line[];
  /** Its end is what matters. */
  readonly follows: boolean;
}

/** Rows that a line takes with the word for its state before it, as Ink writes it. */
const rowsOf = (each: Line, columns: number): number =>
  Math.max(1, wrapWords(`${each.selected ? "(selected) " : ""}${plainText(each)}`, columns).length);

export const spokenRows = (lines: readonly Line[], columns: number): number =>
  lines.reduce((sum, each) => sum + rowsOf(each, columns), 0);

/** The line that must stay: under the cursor, the selected one, the one found; else an end. */
function placeToKeep({ body, follows }: Part): number {
  const tests: readonly ((each: Line) => boolean)[] = [
    (each) => plainText(each).startsWith("cursor: "),
    ({ selected }) => selected,
    (each) => plainText(each).startsWith("found: "),
  ];
  for (const isIt of tests) {
    const index = body.findIndex((each) => isIt(each));
    if (index !== -1) return index;
  }
  return follows ? body.length - 1 : 0;
}

/** As many whole lines as there is room for, and one at least. */
function cutBody(part: Part, room: number, columns: number): readonly Line[] {
  const { body } = part;
  const keep = placeToKeep(part);
  const sizes = body.map((each) => rowsOf(each, columns));
  for (let count = body.length; count > 1; count -= 1) {
    const from = keepVisible(0, keep, count, body.length);
    const needed = sizes.slice(from, from + count).reduce((sum, size) => sum + size, 0);
    if (needed <= room) return body.slice(from, from + count);
  }
  return body.slice(keep, keep + 1);
}

/** The parts one below the other in `room` rows; `first` takes of them what it needs, and leaves the others a row each. */
export function cutParts(
  parts: readonly Part[],
  first: number,
  room: number,
  columns: number,
): readonly Line[] {
  let left = room - parts.reduce((sum, { head }) => sum + spokenRows(head, columns), 0);
  const bodies = new Map<Part, readonly Line[]>();
  const inTurn = parts.toSorted((a, b) => Number(b === parts[first]) - Number(a === parts[first]));
  for (const [index, part] of inTurn.entries()) {
    const lines = cutBody(part, left - (inTurn.length - 1 - index), columns);
    left -= spokenRows(lines, columns);
    bodies.set(part, lines);
  }
  return parts.flatMap((part) => [...part.head, ...(bodies.get(part) ?? [])]);
}
