/** `aether completion bash|zsh|fish`: prints the script to source. */
import { Argument, Command } from "commander";
import { AetherError } from "../protocol/errors.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { engineNameOf, withEngine } from "./with-engine.ts";

export function completionCommand(program: Command): Command {
  const command = new Command("completion")
    .description("print completions for a shell, as in: source <(aether completion bash)")
    .addArgument(new Argument("<shell>", "whose").choices(["bash", "zsh", "fish"]));
  return onRun(command, async (_globals, [shell = ""]) => {
    const { completionScript, isShell } = await import("./completion-scripts.ts");
    const { print } = await import("./output/print.ts");
    if (!isShell(shell)) throw new AetherError("AE_USAGE", `no completions for ${shell}`);
    print(completionScript(shell, program));
    return 0;
  });
}

/** `aether __ids`: the ids that a shell completes. Never fails and never says why: nobody reads that while typing. */
export function idsCommand(): Command {
  return onRun(new Command("__ids").description("function ids for completion"), async (globals) => {
    const ids = await functionIds(globals).catch(() => []);
    if (ids.length > 0) process.stdout.write(`${ids.join("\n")}\n`);
    return 0;
  });
}

/** Of the running engine, else of the file. */
async function functionIds(globals: GlobalOptions): Promise<readonly string[]> {
  const { findEngine } = await import("../client/find-engine.ts");
  if (findEngine(await engineNameOf(globals)) !== null) {
    return (await withEngine(globals, (requests) => requests.state())).functions.map(({ id }) => id);
  }
  const { chooseConfigFile } = await import("../client/engine-name.ts");
  const file = chooseConfigFile({ engine: globals.engine, config: globals.config });
  if (file === null) return [];
  const { loadConfig } = await import("../engine/config/load.ts");
  const result = loadConfig(file, { checkPorts: false, ownPorts: new Set() });
  return result.ok ? result.config.functions.map(({ id }) => id) : [];
}
