/** `aether validate [FILE]`: check a configuration; nothing is started. */
import { Argument, Command } from "commander";
import { AetherError } from "../protocol/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";

export function validateCommand(): Command {
  const command = new Command("validate")
    .description("check a configuration file; every problem is listed with its place")
    .addArgument(new Argument("[file]", "configuration file (default: -c, else ./aether.yaml)"));
  return onRun(command, run);
}

async function run(globals: GlobalOptions, [operand]: readonly string[]): Promise<number> {
  const { chooseConfigFile } = await import("../client/engine-name.ts");
  const file = chooseConfigFile({ engine: globals.engine, config: operand ?? globals.config });
  if (file === null) {
    throw new AetherError("AE_CONFIG_UNREADABLE", "there is no aether.yaml here to validate", {
      hint: "Name a file: `aether validate FILE`, or write one with `aether init`.",
    });
  }
  const { loadConfig } = await import("../engine/config/load.ts");
  const result = loadConfig(file, { checkPorts: true, ownPorts: await portsOfEngine(globals, file) });
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) {
    printJson(
      result.ok
        ? { ok: true, file, functions: result.config.functions.map(({ id }) => id) }
        : { ok: false, file, problems: result.problems },
    );
  } else if (result.ok) {
    const count = result.config.functions.length;
    print(`${file} is valid: ${count} ${count === 1 ? "function" : "functions"}`);
  } else {
    const { formatProblems } = await import("../engine/config/format-problems.ts");
    process.stderr.write(`${formatProblems(result.problems, result.source, process.cwd())}\n`);
  }
  return result.ok ? exitCodes.ok : exitCodes.usage;
}

/** The ports that an engine of this name holds are not taken by "another program". */
async function portsOfEngine(globals: GlobalOptions, config: string): Promise<ReadonlySet<number>> {
  const { engineNameOf, withEngine } = await import("./with-engine.ts");
  const { findEngine } = await import("../client/find-engine.ts");
  try {
    if (findEngine(await engineNameOf({ ...globals, config })) === null) return new Set();
    const view = await withEngine({ ...globals, config }, (requests) => requests.state());
    const triggers = view.functions.map((each) => each.triggerPort);
    return new Set([...triggers, view.engine.config.metrics?.port ?? null].filter((port) => port !== null));
  } catch {
    return new Set(); // unreadable file, or an engine that does not answer: the check itself goes on
  }
}
