/** `aether logs [-f] ID`: what a function wrote. */
import { Argument, Command, Option } from "commander";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parseCount } from "./parse-number.ts";
import { withEngine } from "./with-engine.ts";

interface LogsOptions {
  readonly follow?: true;
  readonly lines: number;
}

export function logsCommand(): Command {
  const command = new Command("logs")
    .description("show the output of a function")
    .addArgument(new Argument("<id>", "function"))
    .addOption(new Option("-f, --follow", "go on with new lines"))
    .addOption(new Option("-n, --lines <count>", "lines of the past").argParser(parseCount).default(100));
  return onRun(command, (globals, [id = ""]) => run(globals, id, command.opts<LogsOptions>()));
}

async function run(globals: GlobalOptions, id: string, options: LogsOptions): Promise<number> {
  const { logLine } = await import("./output/stream-lines.ts");
  const { print, printJson, printPaced } = await import("./output/print.ts");
  const format = globals.json === true ? "json" : "plain";
  return await withEngine(globals, async (requests) => {
    if (options.follow === true) {
      for await (const message of requests.followLogs(id, options.lines)) {
        if (message.type === "logs")
          await printPaced(message.lines.map((line) => logLine(line, format, false)).join(""));
      }
      return 0;
    }
    const lines = await requests.logs(id, options.lines);
    if (format === "json") printJson(lines);
    else if (lines.length > 0) print(lines.map((line) => logLine(line, format, false)).join(""));
    return 0;
  });
}
