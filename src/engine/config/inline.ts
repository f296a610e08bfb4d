/** The configuration of `aether run --port N -- COMMAND ...`: one function without a file. */
import { basename } from "node:path";
import type { ConfigProblem } from "../../protocol/config.ts";
import { idPattern, maxFunctionIdLength } from "../../protocol/paths.ts";
import { buildConfig } from "./build.ts";
import { formatPath, isSecretPath, printablePath } from "./finding.ts";
import type { LoadOptions, LoadResult } from "./load.ts";
import { thisMachine } from "./machine.ts";
import { printableLine } from "./printable.ts";

export interface InlineFunction {
  readonly command: readonly string[];
  readonly port: number;
  /** Where the command runs. */
  readonly cwd: string;
  /** Default: made from the program's name. */
  readonly id?: string;
  /** Further fields of the function as they would stand in the file (`ready`, `env`, `idle` ...). */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Settings of the engine as they would stand in the file. */
  readonly engine?: Readonly<Record<string, unknown>>;
}

/** What the place of a problem is called where there is no file. */
export const commandLineName = "(command line)";

/** An id from the command: the script's name where an interpreter runs one, else the program's. */
export function idOfCommand(command: readonly string[]): string {
  const [program = "", ...rest] = command;
  const script = rest.find((word) => /\.(py|m?js|cjs|ts|rb|pl|php|sh)$/.test(word));
  const name = basename(script ?? program)
    .replace(/\.\w+$/, "")
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, maxFunctionIdLength);
  return idPattern.test(name) ? name : "function";
}

/** Builds and validates it as a file would be. An arbitrary server sends no READY, so `ready: port` is the default here. */
export function inlineConfig(inline: InlineFunction, options: LoadOptions): LoadResult {
  const data = {
    version: 1,
    engine: inline.engine ?? {},
    functions: [
      {
        id: inline.id ?? idOfCommand(inline.command),
        command: [...inline.command],
        trigger_port: inline.port,
        ready: "port",
        ...inline.fields,
      },
    ],
  };
  const result = buildConfig(data, {
    file: null,
    baseDir: inline.cwd,
    machine: options.machine ?? thisMachine(),
    ownPorts: options.checkPorts ? options.ownPorts : null,
    lineOf: () => 0,
  });
  if (result.ok) return result;
  const problems = result.findings.map((found): ConfigProblem => {
    const whole = printablePath(found.path);
    const path = whole[0] === "functions" ? whole.slice(2) : whole;
    const message = printableLine(found.message);
    const text = isSecretPath(whole) ? String(whole.at(-1)) : "";
    return {
      code: found.code,
      file: commandLineName,
      line: 0,
      column: 0,
      path: formatPath(path),
      text: printableLine(text),
      message,
      hint: found.hint,
    };
  });
  return { ok: false, problems, source: null };
}
