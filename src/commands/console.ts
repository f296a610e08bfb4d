/** `aether` without a verb: attach to the engine that runs, else start one; console on a terminal, lines elsewhere. */
import type { EngineConnection } from "../client/connection.ts";
import type { Wanted } from "../client/control-client.ts";
import { AetherError } from "../protocol/errors.ts";
import type { GlobalOptions } from "./globals.ts";
import { hostEngine } from "./host-engine.ts";
import { filePresenter, presentAttached, presenterFor, wantsConsole } from "./present.ts";
import { engineNameOf } from "./with-engine.ts";

export async function runDefault(globals: GlobalOptions): Promise<number> {
  const name = await engineNameOf(globals);
  const { findEngine } = await import("../client/find-engine.ts");
  // --headless asks for an engine of this process: that one of its name runs is refused by its lock.
  if (globals.headless !== true && findEngine(name) !== null) return await attach(name, globals);
  return await runFromFile(globals);
}

/** Starts the engine of the configuration file that is meant. With a log file it is told there, and nothing is printed. */
export async function runFromFile(globals: GlobalOptions, logFile: string | null = null): Promise<number> {
  const { chooseConfigFile } = await import("../client/engine-name.ts");
  const configFile = chooseConfigFile({ engine: globals.engine, config: globals.config });
  if (configFile === null) {
    throw new AetherError("AE_CONFIG_UNREADABLE", "there is no aether.yaml here", {
      hint: "Write a first one with `aether init`, name a file with -c, or run a single server with `aether run --port N -- COMMAND`.",
    });
  }
  const source = { configFile, inline: null, engineName: globals.engine ?? null };
  const presenter = logFile === null ? await presenterFor(globals) : filePresenter(logFile);
  return await hostEngine({ globals, source, presenter });
}

async function attach(name: string, globals: GlobalOptions): Promise<number> {
  const { connectToEngine } = await import("../client/control-client.ts");
  const connect = (wanted?: Wanted): Promise<EngineConnection> =>
    connectToEngine({ engineName: name, mode: "attached", wanted });
  if (!wantsConsole(globals)) {
    const { wanted, show } = await presenterFor(globals);
    await using connection = await connect(wanted);
    return await show(connection);
  }
  const { withLiveStats } = await import("../client/live-stats.ts");
  return await presentAttached(async () => {
    const connection = await connect();
    try {
      return withLiveStats(connection);
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }, globals);
}
