/** `aether invoke ID`: one event for a function, and its result. */
import { Argument, Command, Option } from "commander";
import { AetherError } from "../protocol/errors.ts";
import type { InvokeOrder } from "../protocol/invocations.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { refuseReadOnly, withEngine } from "./with-engine.ts";

interface InvokeOptions {
  readonly data?: string;
  readonly raw?: true;
  readonly timeout?: string;
  readonly path: string;
  readonly method?: string;
  readonly header: Readonly<Record<string, string>>;
  readonly async?: true;
}

export function invokeCommand(): Command {
  const command = new Command("invoke")
    .description("give a function an event and print its result; it is woken if need be")
    .addArgument(new Argument("<id>", "function"))
    .addOption(new Option("-d, --data <event>", "the event: JSON, @FILE, or - for standard input"))
    .addOption(new Option("--raw", "the event is bytes, not JSON"))
    .addOption(
      new Option("--timeout <duration>", "limit on the function, as 5s (default: its own, else 30s)"),
    )
    .addOption(
      new Option("--path <path>", "of a function without a handler: path of the request").default("/"),
    )
    .addOption(new Option("--method <method>", "and its method (default: POST with an event, else GET)"))
    .addOption(
      new Option("-H, --header <header>", "and a header of it, as 'name: value'; any number of times")
        .argParser(parseHeader)
        .default({}, "none"),
    )
    .addOption(new Option("--async", "print the invocation's id, and do not wait"));
  return onRun(command, (globals, [id = ""]) => run(globals, id, command.opts<InvokeOptions>()));
}

async function run(globals: GlobalOptions, id: string, options: InvokeOptions): Promise<number> {
  refuseReadOnly(globals, "invoke");
  const order: InvokeOrder = {
    event: await readEvent(options.data),
    encoding: options.raw === true ? "raw" : "json",
    timeoutMs: await readTimeout(options.timeout),
    method: options.method ?? null,
    path: options.path,
    headers: options.header,
  };
  const { print, printJson } = await import("./output/print.ts");
  if (options.async === true) {
    const accepted = await withEngine(globals, (requests) => requests.invokeAsync(id, order));
    if (globals.json === true) printJson(accepted);
    else print(accepted.id);
    return 0;
  }
  const response = await withEngine(globals, (requests) => requests.invoke(id, order));
  if (globals.json === true) {
    printJson(response);
    return 0;
  }
  if (response.encoding === "base64") process.stdout.write(Buffer.from(response.result, "base64"));
  else if (process.stdout.isTTY) {
    const { sanitize } = await import("../ui/format/sanitize.ts");
    print(response.result.split("\n").map(sanitize).join("\n"));
  } else process.stdout.write(`${response.result}\n`);
  return 0;
}

/** Headers of a command line; the engine checks them. */
function parseHeader(text: string, before: unknown): Readonly<Record<string, string>> {
  const colon = text.indexOf(":");
  if (colon < 1)
    throw new AetherError("AE_USAGE", `--header ${text.slice(0, 40)} is no header`, {
      hint: "Write it as 'name: value'.",
    });
  return {
    ...(before as Record<string, string>),
    [text.slice(0, colon).trim()]: text.slice(colon + 1).trim(),
  };
}

async function readEvent(data: string | undefined): Promise<Uint8Array> {
  if (data === undefined) return new Uint8Array(0);
  if (data !== "-" && !data.startsWith("@")) return Buffer.from(data);
  const { readFile } = await import("node:fs/promises");
  const file = data === "-" ? "/dev/stdin" : data.slice(1);
  try {
    return await readFile(file);
  } catch (error) {
    throw new AetherError("AE_USAGE", `the event cannot be read from ${file}`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "After @ comes the path of a file, as --data @event.json; JSON itself is given as it is.",
    });
  }
}

async function readTimeout(text: string | undefined): Promise<number | null> {
  if (text === undefined) return null;
  const { parseDuration } = await import("../engine/config/units.ts");
  const timeoutMs = parseDuration(text);
  if (timeoutMs !== null && timeoutMs >= 1 && timeoutMs <= 300_000) return timeoutMs;
  throw new AetherError("AE_USAGE", `--timeout ${text.slice(0, 20)} is no duration from 1ms to 5m`);
}
