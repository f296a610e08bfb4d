/** `aether stats`: counters, latencies and memory, from the engine's shared memory; the engine is not asked. */
import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import type { EngineStats } from "../client/engine-stats.ts";
import { AetherError } from "../protocol/errors.ts";
import type { StatsReader } from "../protocol/stats-reader.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parseSeconds } from "./parse-number.ts";
import { engineNameOf } from "./with-engine.ts";

interface StatsOptions {
  readonly watch?: true;
  readonly interval: number;
  readonly dashboard?: true;
}

/** Cursor home, then clear to the end of the screen: what was there before scrolls nowhere, and nothing flickers. */
const repaint = "\u001b[H\u001b[J";

export function statsCommand(): Command {
  const command = new Command("stats")
    .description("show counters, latencies and memory of the engine and its functions")
    .addOption(new Option("-w, --watch", "go on, until the engine ends; with --json one line each time"))
    .addOption(
      new Option(
        "--dashboard",
        "the console, read-only, from shared memory alone: it has numbers, works while the engine is stuck, and cannot slow it",
      ).conflicts("watch"),
    )
    .addOption(
      new Option("--interval <seconds>", "how often, with --watch").argParser(parseSeconds).default(1),
    );
  return onRun(command, (globals) => run(globals, command.opts<StatsOptions>()));
}

async function run(globals: GlobalOptions, options: StatsOptions): Promise<number> {
  const name = await engineNameOf(globals);
  if (options.dashboard === true) {
    const { presentAttached, wantsConsole } = await import("./present.ts");
    if (!wantsConsole(globals))
      throw new AetherError("AE_USAGE", "--dashboard needs a terminal", {
        hint: "`aether stats --watch`, with --json, goes on without one.",
      });
    const { connectToStats } = await import("../client/stats-connection.ts");
    return await presentAttached(() => connectToStats(name), globals);
  }
  const { openEngineStats, readRunningEngine } = await import("../client/engine-stats.ts");
  using reader = openEngineStats(name);
  const show = await presentation(name, globals, options.watch === true);
  await show(await readRunningEngine(reader));
  if (options.watch !== true) return 0;
  for (;;) {
    await sleep(options.interval * 1000);
    const stats = await readUntilEnd(reader);
    if (stats === null) return 0;
    await show(stats);
  }
}

/** `null` once the engine has ended in order. @throws AetherError AE_ENGINE_NOT_RUNNING for one that died */
async function readUntilEnd(reader: StatsReader): Promise<EngineStats | null> {
  const { readEngineStats, readRunningEngine } = await import("../client/engine-stats.ts");
  try {
    return await readRunningEngine(reader);
  } catch (error) {
    if (!(error instanceof AetherError) || error.code !== "AE_ENGINE_NOT_RUNNING") throw error;
    if (readEngineStats(reader).liveness === "ended") return null;
    throw error;
  }
}

async function presentation(
  name: string,
  globals: GlobalOptions,
  watch: boolean,
): Promise<(stats: EngineStats) => Promise<void>> {
  const [{ printJson, printPaced, toJson }, { statsReport }, { findEngine }] = await Promise.all([
    import("./output/print.ts"),
    import("./output/stats-report.ts"),
    import("../client/find-engine.ts"),
  ]);
  // The path of the configuration is text, and lies in the engine's record.
  const report = (stats: EngineStats) => statsReport(stats, findEngine(name)?.configFile ?? null);
  if (globals.json === true) {
    if (!watch) return async (stats) => printJson(report(stats));
    return (stats) => printPaced(`${toJson(report(stats))}\n`);
  }
  const { colorsOn } = await import("./output/style.ts");
  const { statsText } = await import("./output/stats-text.ts");
  const colors = colorsOn(process.stdout, globals.color);
  const before = watch && process.stdout.isTTY ? repaint : "";
  return (stats) => printPaced(`${before}${statsText(report(stats), colors)}\n`);
}
