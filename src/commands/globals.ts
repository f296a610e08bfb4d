/** Options that every verb takes, before or after its name. */
import { Option } from "commander";
import type { Command } from "commander";
import { themeNames } from "../ui/theme/theme-names.ts";

export interface GlobalOptions {
  readonly config?: string;
  readonly engine?: string;
  readonly headless?: true;
  readonly json?: true;
  readonly readOnly?: true;
  readonly verbose?: true;
  readonly theme?: string;
  readonly ascii?: true;
  readonly screenReader?: true;
  readonly reducedMotion?: true;
  /** `false` for --no-color. */
  readonly color: boolean;
}

export function addGlobalOptions(program: Command): void {
  program
    .addOption(new Option("-c, --config <file>", "configuration file (default: ./aether.yaml)"))
    .addOption(
      new Option("--engine <name>", "engine that is meant (default: the name in the configuration file)"),
    )
    .addOption(new Option("--headless", "run the engine without the console"))
    .addOption(new Option("--json", "print JSON, or JSON lines where output goes on"))
    .addOption(new Option("--read-only", "look only: snapshot, restore, kill and the like are refused"))
    .addOption(new Option("--verbose", "show the stack of system errors"))
    .addOption(new Option("--no-color", "no colours"))
    .addOption(new Option("--theme <name>", "colours of the console").choices(themeNames))
    .addOption(new Option("--ascii", "console: no other characters than ASCII"))
    .addOption(new Option("--screen-reader", "console: lines of words, on the normal screen"))
    .addOption(new Option("--reduced-motion", "console: what changes is shown once a second"));
}

/** Binds a verb to what it does; the number is the exit code, a thrown AetherError is reported by main. */
export function onRun(
  command: Command,
  run: (globals: GlobalOptions, operands: readonly string[]) => Promise<number>,
): Command {
  return command.action(async () => {
    process.exitCode = await run(command.optsWithGlobals<GlobalOptions>(), command.args);
  });
}
