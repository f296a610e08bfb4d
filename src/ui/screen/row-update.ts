/** What has to be written so that a row of the screen shows another line: only the pieces that differ, where that is safe. */
import { fitLine, lineWidth } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { textWidth } from "../format/width.ts";
import { paint } from "../theme/paint.ts";
import type { Theme } from "../theme/themes.ts";

/**
 * Text whose width every terminal agrees on: ASCII, and the strokes, blocks and signs of our own frame. Behind anything
 * else a piece could land a column off, so such rows are written whole.
 */
const surelyMeasured = /^[ -~–…×↑↓←→⏎─-▟■-◿›✓✗•]*$/;

const moveTo = (row: number, column: number): string => `\u001b[${row + 1};${column + 1}H`;
const eraseToEnd = "\u001b[K";

/** A line as it fits the row: cut where it is too long, filled where its ground is seen. */
export function fitRow(line: Line, width: number): Line {
  return line.selected || lineWidth(line) > width ? fitLine(line, width) : line;
}

function whole(line: Line, row: number, width: number, theme: Theme): string {
  // A row that is written to its last column must not be erased: the cursor may still stand on that column.
  const erase = lineWidth(line) < width ? eraseToEnd : "";
  return moveTo(row, 0) + paint(line, theme) + erase;
}

/** Same pieces in the same places: cells of a table, mostly. */
function isPieceByPiece(before: Line, after: Line): boolean {
  if (before.selected !== after.selected || before.spans.length !== after.spans.length) return false;
  return after.spans.every((part, index) => {
    const old = before.spans[index];
    if (old === undefined) return false;
    if (old.text === part.text) return surelyMeasured.test(part.text);
    return (
      surelyMeasured.test(old.text) &&
      surelyMeasured.test(part.text) &&
      textWidth(old.text) === textWidth(part.text)
    );
  });
}

/** The sequences for one row; empty where nothing differs. Both lines fit the width; `null`: nothing is known of the row. */
export function rowUpdate(
  before: Line | null,
  after: Line,
  row: number,
  width: number,
  theme: Theme,
): string {
  if (before === after) return "";
  if (before === null || !isPieceByPiece(before, after)) return whole(after, row, width, theme);
  let out = "";
  let column = 0;
  let isWriting = false;
  after.spans.forEach((part, index) => {
    const old = before.spans[index];
    const differs = old?.text !== part.text || old.role !== part.role;
    if (differs) {
      if (!isWriting) out += moveTo(row, column);
      out += paint({ spans: [part], selected: after.selected }, theme);
    }
    isWriting = differs;
    column += textWidth(part.text);
  });
  return out;
}
