/** `aether ps`: the functions and how they are. */
import { Command } from "commander";
import type { FunctionView, SnapshotView } from "../protocol/views.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { withEngine } from "./with-engine.ts";

/** One entry of `ps --json`: a contract with scripts. */
export interface PsEntry extends Pick<
  FunctionView,
  | "id"
  | "state"
  | "activity"
  | "triggerPort"
  | "restoredAhead"
  | "wakes"
  | "coldStarts"
  | "restore"
  | "lastError"
> {
  /** How its memory comes back, and why so; `null` without a snapshot. */
  readonly image: Pick<SnapshotView, "image" | "imageReason" | "sizeBytes"> | null;
  readonly instances: readonly { readonly pid: number | null; readonly state: string }[];
}

export function psEntry(view: FunctionView): PsEntry {
  const { id, state, activity, triggerPort, restoredAhead, wakes, coldStarts, lastError } = view;
  const { count, lastMs, p50Ms, p95Ms, p99Ms } = view.restore;
  const instances = view.instances.map(({ pid, state }) => ({ pid, state }));
  const { snapshot } = view;
  const image =
    snapshot === null
      ? null
      : { image: snapshot.image, imageReason: snapshot.imageReason, sizeBytes: snapshot.sizeBytes };
  return {
    id,
    state,
    activity,
    triggerPort,
    instances,
    image,
    restoredAhead,
    wakes,
    coldStarts,
    restore: { count, lastMs, p50Ms, p95Ms, p99Ms },
    lastError,
  };
}

export function psCommand(): Command {
  const command = new Command("ps")
    .alias("list")
    .description("list the functions: state, port, process, wakes, restore times");
  return onRun(command, run);
}

async function run(globals: GlobalOptions): Promise<number> {
  const view = await withEngine(globals, (requests) => requests.state());
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) {
    printJson(view.functions.map(psEntry));
    return 0;
  }
  const { colorsOn } = await import("./output/style.ts");
  const { functionTable } = await import("./output/function-table.ts");
  if (view.engine.phase === "starting")
    print(`${view.engine.readyCount} of ${view.functions.length} functions ready`);
  print(functionTable(view.functions, colorsOn(process.stdout, globals.color)));
  return 0;
}
