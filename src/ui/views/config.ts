/** The last reload: what it changed field by field, or what is wrong; and the file with its problems at their lines. */
import type { FieldChange } from "../../protocol/config-change.ts";
import type { ConfigProblem } from "../../protocol/config.ts";
import { emptyLine, line, lineWidth, span } from "../format/line.ts";
import type { Line, Role, Span } from "../format/line.ts";
import { formatClock, plural } from "../format/units.ts";
import { textWidth, truncateStart, wrapWords } from "../format/width.ts";
import { shownData } from "../store/select.ts";
import type { ReloadEvent } from "../store/data.ts";
import type { ConsoleState } from "../store/types.ts";
import { heading } from "./blocks.ts";
import { sourceLines } from "./config-source.ts";

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

const effectWords: Readonly<Record<FieldChange["effect"], Span>> = {
  "at-once": span("in force at once", "dim"),
  replaced: span("process replaced", "warn"),
  "next-start": span("not in force: start the engine anew", "bad"),
};

/** Old and new value under one another where they do not fit side by side. */
function changeLines(changes: readonly FieldChange[], width: number): readonly Line[] {
  if (changes.length === 0) return [];
  return [
    emptyLine,
    heading("WHAT CHANGED"),
    ...changes.flatMap(({ functionId, field: name, from, to, effect }) => {
      const head = [span(`  ${functionId ?? "engine"}`, "strong"), span(` ${name}`, "accent"), span("  ")];
      const used = lineWidth(line(...head)) + textWidth(from) + textWidth(to) + 3;
      const word = effectWords[effect];
      if (used + textWidth(word.text) + 3 <= width)
        return [line(...head, span(from, "dim"), " → ", to, span("  "), word)];
      return [
        line(...head, word),
        ...wrapWords(from, Math.max(10, width - 8)).map((text) => line(span("    − ", "bad"), text)),
        ...wrapWords(to, Math.max(10, width - 8)).map((text) => line(span("    + ", "good"), text)),
      ];
    }),
  ];
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
      ...event.problems.flatMap((problem) => problemLines(problem, width)).slice(0, -1),
    ];
  }
  const nothing =
    event.added.length + event.changed.length + event.removed.length + event.changes.length === 0;
  return [
    line("  ", span("Applied", "good"), ` at ${at}${nothing ? ": nothing had changed." : "."}`),
    emptyLine,
    ...listLines("added", "+", "good", event.added, width),
    ...listLines("changed", "~", "warn", event.changed, width),
    ...listLines("removed", "−", "bad", event.removed, width),
    ...listLines("unchanged", "=", "dim", event.unchanged, width),
    ...changeLines(event.changes, width),
  ];
}

export function configLines(state: ConsoleState, width: number): readonly Line[] {
  const { view, lastReload, configSource } = shownData(state);
  const file = view?.engine.configFile ?? null;
  const head = [heading("LAST RELOAD"), emptyLine];
  const last =
    lastReload !== null
      ? reloadLines(lastReload, width)
      : [
          line("  ", span("None since this console opened.", "strong")),
          ...wrapWords(
            file === null
              ? "This engine runs without a file."
              : `Edit ${file} and save it: what changed is applied at once. ${state.ui.keymap.keyOf("reload")} reads it again.`,
            width - 4,
          ).map((text) => line("  ", span(text, "dim"))),
        ];
  if (file === null) return [...head, ...last];
  return [
    ...head,
    ...last,
    emptyLine,
    line(
      "  ",
      span("THE FILE", "heading"),
      span(`  ${truncateStart(file, width - 32)}, secrets hidden`, "dim"),
    ),
    emptyLine,
    ...sourceLines(configSource, lastReload, width),
  ];
}
