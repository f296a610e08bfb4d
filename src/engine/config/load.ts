/** Loads aether.yaml: the one way from a file to an AetherConfig. */
import { dirname, resolve } from "node:path";
import type { AetherConfig, ConfigProblem } from "../../protocol/config.ts";
import { buildConfig } from "./build.ts";
import { formatPath, isSecretPath, printablePath } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { thisMachine } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { parseYaml } from "./parse-yaml.ts";
import { Positions } from "./positions.ts";
import type { Place } from "./positions.ts";
import { printableLine } from "./printable.ts";
import { readConfigFile } from "./read-file.ts";
import { redactSource } from "./redact.ts";

export interface LoadOptions {
  /** Whether a trigger port on which another program listens is a problem. */
  readonly checkPorts: boolean;
  /** Ports that the engine itself holds, at a reload. */
  readonly ownPorts: ReadonlySet<number>;
  /** For tests; this machine where it is left out. */
  readonly machine?: Machine;
}

/** More would only be scrolled away; they cross threads and sockets, so there is a bound. */
const maxProblems = 200;

export type LoadResult =
  | { readonly ok: true; readonly config: AetherConfig }
  | {
      readonly ok: false;
      /** In the order of the file. */
      readonly problems: readonly ConfigProblem[];
      /** Text of the file with env values masked, for excerpts; `null` where it could not be read. */
      readonly source: string | null;
    };

/** Reads, validates and resolves a configuration. Every problem is reported at once; bad input never throws. */
export function loadConfig(file: string, options: LoadOptions): LoadResult {
  const path = resolve(file);
  const read = readConfigFile(path);
  if (!read.ok) {
    const problem: ConfigProblem = {
      code: "AE_CONFIG_UNREADABLE",
      file: path,
      line: 0,
      column: 0,
      path: "",
      text: "",
      message: read.message,
      hint: read.hint,
    };
    return { ok: false, problems: [problem], source: null };
  }
  return parseConfig(read.text, path, options);
}

/** The same for text that is already in memory, such as a deploy; `path` is where it lies or would lie. */
export function parseConfig(text: string, path: string, options: LoadOptions): LoadResult {
  const yaml = parseYaml(text);
  const source = redactSource(text, yaml);
  const positions = new Positions(source, yaml);
  const problems: ConfigProblem[] = yaml.problems.map((problem) => ({
    code: "AE_CONFIG_SYNTAX",
    file: path,
    ...printablePlace(positions.at(problem.offset, problem.length)),
    path: "",
    message: printableLine(problem.message),
    hint: problem.hint,
  }));
  if (yaml.data !== null) {
    const result = buildConfig(yaml.data.value, {
      file: path,
      baseDir: dirname(path),
      machine: options.machine ?? thisMachine(),
      ownPorts: options.checkPorts ? options.ownPorts : null,
      lineOf: (where) => positions.of(where).line,
    });
    if (result.ok && problems.length === 0) return result;
    // What the parse already reported by place (a merge key, __proto__) is not told again as an unknown key.
    const reported = new Set(problems.map(({ line, column }) => `${line}:${column}`));
    for (const problem of result.ok
      ? []
      : result.findings.map((found) => toProblem(found, path, positions))) {
      if (!reported.has(`${problem.line}:${problem.column}`)) problems.push(problem);
    }
  }
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  const more = problems[maxProblems];
  if (more !== undefined)
    problems.splice(maxProblems, Infinity, {
      ...more,
      message: `and ${problems.length - maxProblems} more problems`,
      hint: null,
    });
  return { ok: false, problems, source };
}

function printablePlace(place: Place): Place {
  return { ...place, text: printableLine(place.text) };
}

function toProblem(found: Finding, file: string, positions: Positions): ConfigProblem {
  const place = positions.of(found.path, found.atKey);
  const path = printablePath(found.path);
  const text = isSecretPath(path)
    ? String(path.at(-1))
    : found.code === "AE_CONFIG_MISSING_FIELD"
      ? ""
      : place.text;
  return {
    code: found.code,
    file,
    line: place.line,
    column: place.column,
    path: printableLine(formatPath(path)),
    text: printableLine(text),
    message: printableLine(found.message),
    hint: found.hint,
  };
}
