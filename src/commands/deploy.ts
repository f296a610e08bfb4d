/** `aether deploy [FILE]`: validate a configuration and apply it to the running engine. */
import { Argument, Command } from "commander";
import { AetherError } from "../protocol/errors.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { refuseReadOnly, withEngine } from "./with-engine.ts";

export function deployCommand(): Command {
  const command = new Command("deploy")
    .description("validate a configuration file and apply it to the running engine")
    .addArgument(new Argument("[file]", "configuration file (default: -c, else ./aether.yaml)"));
  return onRun(command, run);
}

async function run(given: GlobalOptions, [operand]: readonly string[]): Promise<number> {
  refuseReadOnly(given, "deploy");
  const globals = operand === undefined ? given : { ...given, config: operand };
  const { chooseConfigFile } = await import("../client/engine-name.ts");
  const file = chooseConfigFile({ engine: globals.engine, config: globals.config });
  if (file === null) {
    throw new AetherError("AE_CONFIG_UNREADABLE", "there is no aether.yaml here to deploy", {
      hint: "Name a file: `aether deploy FILE`.",
    });
  }
  // The engine validates: it knows which ports are its own, and nobody changes the file between check and use.
  const changes = await withEngine(globals, (requests) => requests.deploy(file));
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) {
    printJson(changes);
    return 0;
  }
  for (const kind of ["added", "changed", "removed", "unchanged"] as const) {
    if (changes[kind].length > 0) print(`${kind}: ${changes[kind].join(", ")}`);
  }
  if (Object.values(changes).every((ids: readonly string[]) => ids.length === 0)) print("no functions");
  return 0;
}
