/** Problems of a configuration as text for people, and as the one error that the engine and the verbs pass on. */
import { relative } from "node:path";
import type { ConfigProblem } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import { printable, printableLine } from "./printable.ts";

const excerptWidth = 100;

/** The file as the reader would type it: relative where that is shorter and does not climb. */
function shownFile(file: string, cwd: string | null): string {
  const near = cwd === null ? file : relative(cwd, file);
  return printableLine(near === "" || near.startsWith("..") ? file : near);
}

/** `file:line:col: message`; without the place where the file as a whole is meant. */
export function formatProblemLine(problem: ConfigProblem, cwd: string | null = null): string {
  const place = problem.line === 0 ? "" : `:${problem.line}:${problem.column}`;
  const where = problem.path === "" ? "" : ` (${printableLine(problem.path)})`;
  return `${shownFile(problem.file, cwd)}${place}: ${printableLine(problem.message)}${where} [${problem.code}]`;
}

/** The line of the file with a caret below the place. */
function excerpt(problem: ConfigProblem, lines: readonly string[]): string[] {
  const line = lines[problem.line - 1];
  if (problem.line === 0 || line === undefined || line.trim() === "") return [];
  const from = problem.column <= excerptWidth - 20 ? 0 : problem.column - 20;
  const shown = line.slice(from, from + excerptWidth);
  const before = shown.slice(0, problem.column - 1 - from);
  // What is quoted may end on a later line or beyond the excerpt.
  const length = Math.max(1, Math.min(problem.text.length, shown.length - before.length));
  const gutter = String(problem.line);
  const carets = before.replace(/[^\t]/g, " ") + "^".repeat(length);
  return [`  ${gutter} | ${printable(shown)}`, `  ${" ".repeat(gutter.length)} | ${carets}`];
}

/** Each problem with its line and its hint. `source` is the masked text that `loadConfig` returns. */
export function formatProblems(
  problems: readonly ConfigProblem[],
  source: string | null,
  cwd: string | null = null,
): string {
  const lines = source === null ? [] : source.split(/\r?\n/);
  return problems
    .map((problem) => {
      const hint = problem.hint === null ? [] : [`  ${printableLine(problem.hint)}`];
      return [formatProblemLine(problem, cwd), ...excerpt(problem, lines), ...hint].join("\n");
    })
    .join("\n");
}

/** One HardValidationError for all problems: the code of the first, every one as a line of `data.problems`. */
export function validationError(problems: readonly ConfigProblem[]): AetherError {
  const first = problems[0];
  if (first === undefined)
    throw new AetherError("AE_INTERNAL", "a configuration was refused without a problem");
  const count = problems.length === 1 ? "has a problem" : `has ${problems.length} problems`;
  const rest = problems.length === 1 ? "" : ` (and ${problems.length - 1} more)`;
  const place = first.line === 0 ? "" : `line ${first.line}, column ${first.column}: `;
  return new AetherError(first.code, `${printableLine(first.file)} ${count}`, {
    why: `${place}${printableLine(first.message)}${rest}`,
    hint: first.hint ?? "Every problem is listed by `aether validate`.",
    data: {
      file: first.file,
      line: first.line,
      column: first.column,
      path: first.path,
      problems: problems.map((problem) => formatProblemLine(problem)),
    },
  });
}
