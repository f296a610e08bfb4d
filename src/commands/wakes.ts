/** `aether wakes [ID]`: the last wakes and where their time went. */
import { Argument, Command, Option } from "commander";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parseCount } from "./parse-number.ts";
import { withEngine } from "./with-engine.ts";

interface WakesOptions {
  readonly lines: number;
}

export function wakesCommand(): Command {
  const command = new Command("wakes")
    .description("show the last wakes and how long each of their parts took")
    .addArgument(new Argument("[id]", "function; all of them without one"))
    .addOption(new Option("-n, --lines <count>", "wakes of the past").argParser(parseCount).default(20));
  return onRun(command, (globals, [id]) => run(globals, id ?? null, command.opts<WakesOptions>()));
}

async function run(globals: GlobalOptions, id: string | null, options: WakesOptions): Promise<number> {
  const wakes = await withEngine(globals, (requests) => requests.wakes(id, options.lines));
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) {
    printJson(wakes);
    return 0;
  }
  const { colorsOn } = await import("./output/style.ts");
  const { wakesTable } = await import("./output/wakes-table.ts");
  print(wakes.length === 0 ? "no wakes yet" : wakesTable(wakes, colorsOn(process.stdout, globals.color)));
  return 0;
}
