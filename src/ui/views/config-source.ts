/** The configuration file as it is on disk, each problem under its line. */
import type { ConfigSource } from "../../protocol/config-change.ts";
import type { ConfigProblem } from "../../protocol/config.ts";
import { line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { wrapWords } from "../format/width.ts";
import type { ReloadEvent } from "../store/data.ts";

/** The problems of a file by their lines; of another file none. */
function problemsByLine(
  event: ReloadEvent | null,
  file: string | null,
): ReadonlyMap<number, readonly ConfigProblem[]> {
  if (event?.type !== "reload-refused") return new Map();
  return Map.groupBy(
    event.problems.filter((problem) => problem.file === file),
    (problem) => problem.line,
  );
}

/** A line of the file, its comment dim and its key marked. */
function sourceSpans(text: string): readonly Span[] {
  if (/^\s*#/.test(text)) return [span(text, "dim")];
  const [, lead = "", key = "", rest = ""] = /^([\s-]*)([\w.-]+:)?(.*)$/.exec(text) ?? [];
  return [span(lead), span(key, "accent"), span(rest)];
}

/** The file with its line numbers, and what is wrong under the line where it is. */
export function sourceLines(
  source: ConfigSource | null,
  event: ReloadEvent | null,
  width: number,
): readonly Line[] {
  if (source === null) return [line("  ", span("Reading …", "dim"))];
  if (source.text === null) return [line("  ", span(source.why ?? "It cannot be read.", "warn"))];
  const problems = problemsByLine(event, source.file);
  const lines = source.text.replace(/\n$/, "").split("\n");
  const digits = String(lines.length).length;
  return lines.flatMap((text, index) => {
    const found = problems.get(index + 1) ?? [];
    const number = String(index + 1).padStart(digits);
    const mark = found.length > 0 ? span("✗ ", "bad") : span("  ");
    const row = line(mark, span(`${number}  `, found.length > 0 ? "bad" : "dim"), ...sourceSpans(text));
    const notes = found.flatMap(({ column, message, hint }) => {
      const under = " ".repeat(digits + 4 + Math.max(0, Math.min(column - 1, 40)));
      const room = Math.max(16, width - under.length - 2);
      return [
        ...wrapWords(message, room).map((part, row_) =>
          line(under, span(row_ === 0 ? "^ " : "  ", "bad"), span(part, "bad")),
        ),
        ...(hint === null
          ? []
          : wrapWords(hint, room).map((part, row_) =>
              line(under, span(row_ === 0 ? "→ " : "  ", "accent"), part),
            )),
      ];
    });
    return [row, ...notes];
  });
}
