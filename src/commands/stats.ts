/** `aether stats`: counters, latencies and memory of the engine and its functions. */
import { Command } from "commander";
import type { EngineView, FunctionView } from "../protocol/views.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { withEngine } from "./with-engine.ts";

/** `stats --json`: a contract with scripts. */
export function statsReport(view: EngineView) {
  const { name, pid, version, startedAtMs, configFile, phase, readyCount, criuVersion, hostChanges } =
    view.engine;
  const startedAt = new Date(startedAtMs).toISOString();
  const engine = { pid, name, version, startedAt, configFile, phase, readyCount, criuVersion, hostChanges };
  return { engine, functions: view.functions.map(functionStats) };
}

function functionStats(view: FunctionView) {
  const {
    id,
    state,
    activity,
    wakes,
    coldStarts,
    exits,
    violations,
    openConnections,
    restore,
    wake,
    snapshot,
  } = view;
  const total = (pick: (instance: FunctionView["instances"][number]) => number | null): number | null => {
    const known = view.instances.map(pick).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
  };
  const memoryBytes = total((instance) => instance.memoryBytes);
  const cpuMs = total((instance) => instance.cpuMs);
  return {
    id,
    state,
    activity,
    wakes,
    coldStarts,
    exits,
    violations,
    openConnections,
    memoryBytes,
    cpuMs,
    restore,
    wake,
    snapshot,
  };
}

export function statsCommand(): Command {
  return onRun(
    new Command("stats").description("show counters, latencies and memory of the engine and its functions"),
    run,
  );
}

async function run(globals: GlobalOptions): Promise<number> {
  const report = statsReport(await withEngine(globals, (requests) => requests.state()));
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) {
    printJson(report);
    return 0;
  }
  const { colorsOn } = await import("./output/style.ts");
  const { statsText } = await import("./output/stats-text.ts");
  print(statsText(report, colorsOn(process.stdout, globals.color)));
  return 0;
}
