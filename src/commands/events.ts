/** `aether events [-f]`: what happened in the engine. */
import { Command, Option } from "commander";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parseCount } from "./parse-number.ts";
import { withEngine } from "./with-engine.ts";

interface EventsOptions {
  readonly follow?: true;
  readonly lines: number;
}

export function eventsCommand(): Command {
  const command = new Command("events")
    .description("show what happened: steps, wakes, exits, errors, reloads")
    .addOption(new Option("-f, --follow", "go on with new events"))
    .addOption(new Option("-n, --lines <count>", "events of the past").argParser(parseCount).default(100));
  return onRun(command, (globals) => run(globals, command.opts<EventsOptions>()));
}

async function run(globals: GlobalOptions, options: EventsOptions): Promise<number> {
  const { eventLine } = await import("./output/stream-lines.ts");
  const { print, printJson, printPaced } = await import("./output/print.ts");
  const format = globals.json === true ? "json" : "plain";
  return await withEngine(globals, async (requests) => {
    if (options.follow === true) {
      for await (const message of requests.followEvents(options.lines)) {
        if (message.type === "event") await printPaced(eventLine(message.event, format));
      }
      return 0;
    }
    const events = await requests.events(options.lines);
    if (format === "json") printJson(events);
    else if (events.length > 0) print(events.map((event) => eventLine(event, format)).join(""));
    return 0;
  });
}
