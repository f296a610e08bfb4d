/** `aether tap`: packets as they pass, one line each, and as a capture file. */
import { once } from "node:events";
import { Command, Option } from "commander";
import type { TapLine } from "../engine/tap/tap.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parsePort, parseTotal } from "./parse-number.ts";

interface TapCommandOptions {
  readonly port?: number;
  readonly interface?: string;
  readonly write?: string;
  readonly count?: number;
}

export function tapCommand(): Command {
  const command = new Command("tap")
    .description("show packets as they pass; it copies them and takes none away")
    .addOption(new Option("-p, --port <port>", "only TCP and UDP from or to this port").argParser(parsePort))
    .addOption(new Option("-i, --interface <name>", "only this interface (default: all that carry Ethernet)"))
    .addOption(new Option("-w, --write <file>", "also write them to a pcap file, for tshark and the like"))
    .addOption(new Option("-n, --count <count>", "end after so many packets").argParser(parseTotal));
  return onRun(command, (globals) => run(globals, command.opts<TapCommandOptions>()));
}

async function run(globals: GlobalOptions, options: TapCommandOptions): Promise<number> {
  const { runTap } = await import("../engine/tap/tap.ts");
  const { toJson } = await import("./output/print.ts");
  const { watchShutdownSignals } = await import("./shutdown-signals.ts");
  const { sanitize } = await import("../ui/format/sanitize.ts");
  const format = (line: TapLine): string =>
    globals.json === true
      ? `${toJson({ ...line, atNs: String(line.atNs) })}\n`
      : `${timeOf(line.atNs)} ${sanitize(line.interface)} ${line.summary}\n`;
  using signals = watchShutdownSignals();
  const stop = new AbortController();
  void signals.first.then(() => stop.abort());
  // A reader that has seen enough, as `| head`, ends the tap in order.
  process.stdout.once("error", () => stop.abort());
  const { packets, dropped } = await runTap(
    {
      device: options.interface ?? null,
      port: options.port ?? null,
      file: options.write ?? null,
      count: options.count ?? null,
      signal: stop.signal,
    },
    async (lines) => {
      if (process.stdout.write(lines.map(format).join(""))) return;
      await once(process.stdout, "drain", { signal: stop.signal }).catch(() => undefined);
    },
  );
  const lost = dropped === 0 ? "" : `, ${dropped} lost because they came faster than they were read`;
  process.stderr.write(`${packets} packets${lost}\n`);
  return 0;
}

/** Local time of day, with microseconds. */
function timeOf(atNs: bigint): string {
  const date = new Date(Number(atNs / 1_000_000n));
  const two = (value: number): string => String(value).padStart(2, "0");
  const micros = String((atNs / 1000n) % 1_000_000n).padStart(6, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${micros}`;
}
