/** A rule across the screen with a title at its left and a note at its right. */
import { fitLine, line, lineWidth, span } from "../format/line.ts";
import type { Line, Role } from "../format/line.ts";

export function ruleLine(title: Line, note: Line, width: number, role: Role = "dim"): Line {
  const left = lineWidth(title);
  const right = lineWidth(note);
  const start = [span("── ", role), ...title.spans, span(" ", role)];
  const withNote = width - left - right - 8;
  if (right > 0 && withNote >= 1) {
    return line(...start, span(`${"─".repeat(withNote)} `, role), ...note.spans, span(" ──", role));
  }
  return fitLine(line(...start, span("─".repeat(Math.max(0, width - left - 4)), role)), width);
}
