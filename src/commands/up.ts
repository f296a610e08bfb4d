/** `aether up`: the engine without a console, in this process or, with -d, in one of its own. */
import { Command, Option } from "commander";
import { AetherError } from "../protocol/errors.ts";
import { runFromFile } from "./console.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";

interface UpOptions {
  readonly foreground?: true;
  readonly detach?: true;
  readonly logFile?: string;
}

export function upCommand(): Command {
  const command = new Command("up")
    .description("start the engine without the console")
    .addOption(new Option("--foreground", "stay in this process and print what happens (default)"))
    .addOption(
      new Option(
        "-d, --detach",
        "start it in the background and return when its functions are ready",
      ).conflicts("foreground"),
    )
    .addOption(new Option("--log-file <path>", "of an engine in the background").hideHelp());
  return onRun(command, (globals) => run(globals, command.opts<UpOptions>()));
}

async function run(globals: GlobalOptions, options: UpOptions): Promise<number> {
  if (globals.readOnly === true)
    throw new AetherError("AE_USAGE", "up starts an engine, and --read-only is given", {
      hint: "Leave out --read-only.",
    });
  if (options.detach !== true)
    return await runFromFile({ ...globals, headless: true }, options.logFile ?? null);
  const { startDetached } = await import("./start-detached.ts");
  return await startDetached(globals);
}
