/** The last reload: what it changed, or what is wrong with the file, each problem with its place. */
import type { ConfigProblem } from "../../protocol/config.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Role } from "../format/line.ts";
import { formatClock, plural } from "../format/units.ts";
import { truncateStart, wrapWords } from "../format/width.ts";
import { shownData } from "../store/select.ts";
import type { ReloadEvent } from "../store/data.ts";
import type { ConsoleState } from "../store/types.ts";
import { heading } from "./blocks.ts";

function problemLines(problem: ConfigProblem, width: number): readonly Line[] {
  const room = Math.max(10, width - 6);
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  return [
    line(
      "  ",
      span("✗ ", "bad"),
      span(truncateStart(place, Math.max(10, width - 34)), "strong"),
      span(`  ${problem.code}`, "bad"),
    ),
    ...(problem.path === "" && problem.text === ""
      ? []
      : [line("    ", span(problem.path, "accent"), problem.text === "" ? "" : `: ${problem.text}`)]),
    ...wrapWords(problem.message, room).map((text) => line("    ", text)),
    ...(problem.hint === null
      ? []
      : wrapWords(problem.hint, room - 2).map((text, index) =>
          line("    ", span(index === 0 ? "→ " : "  ", "accent"), text),
        )),
    emptyLine,
  ];
}

function listLines(
  title: string,
  sign: string,
  role: Role,
  ids: readonly string[],
  width: number,
): readonly Line[] {
  if (ids.length === 0) return [];
  const label = title.padEnd(11);
  return wrapWords(ids.join(", "), Math.max(10, width - 18)).map((text, index) =>
    line("  ", index === 0 ? span(`${sign} ${label}`, role) : " ".repeat(label.length + 2), text),
  );
}

function reloadLines(event: ReloadEvent, width: number): readonly Line[] {
  const at = formatClock(event.atMs);
  if (event.type === "reload-refused") {
    return [
      line(
        "  ",
        span("Not applied", "bad"),
        ` at ${at}: ${plural(event.problems.length, "problem")}. The previous configuration stays in force.`,
      ),
      emptyLine,
      ...event.problems.flatMap((problem) => problemLines(problem, width)),
    ];
  }
  const nothing = event.added.length + event.changed.length + event.removed.length === 0;
  return [
    line("  ", span("Applied", "good"), ` at ${at}${nothing ? ": nothing had changed." : "."}`),
    emptyLine,
    ...listLines("added", "+", "good", event.added, width),
    ...listLines("changed", "~", "warn", event.changed, width),
    ...listLines("removed", "−", "bad", event.removed, width),
    ...listLines("unchanged", "=", "dim", event.unchanged, width),
  ];
}

export function configLines(state: ConsoleState, width: number): readonly Line[] {
  const { view, lastReload } = shownData(state);
  const file = view?.engine.configFile ?? null;
  const head = [heading("LAST RELOAD"), emptyLine];
  if (lastReload !== null) return [...head, ...reloadLines(lastReload, width)];
  return [
    ...head,
    line("  ", span("None since this console opened.", "strong")),
    ...wrapWords(
      file === null
        ? "This engine runs without a file."
        : `Edit ${file} and save it: what changed is applied at once. L reads it again.`,
      width - 4,
    ).map((text) => line("  ", span(text, "dim"))),
  ];
}
