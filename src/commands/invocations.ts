/** `aether invocations [ID]`: the last invocations and how they ended. */
import { Argument, Command, Option } from "commander";
import type { InvocationRecord } from "../protocol/invocations.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parseCount } from "./parse-number.ts";
import type { Cell } from "./output/table.ts";
import { withEngine } from "./with-engine.ts";

interface InvocationsOptions {
  readonly lines: number;
}

export function invocationsCommand(): Command {
  const command = new Command("invocations")
    .description("show the last invocations: when, how long, from which sleep, how they ended")
    .addArgument(new Argument("[id]", "function; all of them without one"))
    .addOption(
      new Option("-n, --lines <count>", "invocations of the past").argParser(parseCount).default(20),
    );
  return onRun(command, (globals, [id]) => run(globals, id ?? null, command.opts<InvocationsOptions>()));
}

async function run(globals: GlobalOptions, id: string | null, options: InvocationsOptions): Promise<number> {
  const records = await withEngine(globals, (requests) => requests.invocations(id, options.lines));
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) {
    printJson(records);
    return 0;
  }
  const { colorsOn } = await import("./output/style.ts");
  const { renderTable } = await import("./output/table.ts");
  const columns = [
    { title: "STARTED" },
    { title: "FUNCTION" },
    { title: "MS", align: "right" as const },
    { title: "WOKEN FROM" },
    { title: "VIA" },
    { title: "STATUS" },
    { title: "ID" },
  ];
  const rows = records.map(cells);
  print(
    rows.length === 0
      ? "no invocations yet"
      : renderTable(columns, rows, colorsOn(process.stdout, globals.color)),
  );
  return 0;
}

function cells(record: InvocationRecord): Cell[] {
  const { id, functionId, startedAtMs, durationMs, tier, via, status, error } = record;
  return [
    { text: new Date(startedAtMs).toISOString() },
    { text: functionId },
    { text: durationMs === null ? "-" : durationMs.toFixed(1) },
    { text: tier ?? "-" },
    { text: via ?? "-" },
    { text: error === null ? status : error.code },
    { text: id },
  ];
}
