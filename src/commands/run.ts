/** `aether run --port N -- COMMAND ...`: one server as a function, without a file. */
import { Argument, Command, Option } from "commander";
import { exitCodes } from "./exit-code.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { hostEngine } from "./host-engine.ts";
import { parsePort } from "./parse-number.ts";
import { presenterFor } from "./present.ts";

interface RunOptions {
  readonly port: number;
  readonly ready: string;
  readonly id?: string;
  readonly onViolation: "fail" | "serve";
}

export function runCommand(): Command {
  const command = new Command("run")
    .description(
      "run one server as a function, without a file: aether run --port 8000 -- python3 -m http.server 8000",
    )
    .addArgument(new Argument("<command...>", "program and its arguments, after --"))
    .addOption(
      new Option("-p, --port <port>", "where clients connect").argParser(parsePort).makeOptionMandatory(),
    )
    .addOption(
      new Option("--ready <rule>", "when it can serve: port, handshake, or the /path of a request").default(
        "port",
      ),
    )
    .addOption(new Option("--id <id>", "name of the function (default: made from the command)"))
    .addOption(
      new Option(
        "--on-violation <what>",
        "a restore that is over its budget serves late, or fails its clients",
      )
        .choices(["serve", "fail"])
        .default("serve"),
    );
  return onRun(command, (globals, words) => run(globals, words, command.opts<RunOptions>()));
}

async function run(globals: GlobalOptions, command: readonly string[], options: RunOptions): Promise<number> {
  const { inlineConfig } = await import("../engine/config/inline.ts");
  // A name of its own, so that it does not collide with the engine of a file.
  const engineName = globals.engine ?? `run-${options.port}`;
  const result = inlineConfig(
    {
      command,
      port: options.port,
      cwd: process.cwd(),
      ...(options.id === undefined ? {} : { id: options.id }),
      fields: { ready: options.ready.startsWith("/") ? { http: options.ready } : options.ready },
      // One server on a port of its own, next to whatever runs: it must not fail for a second port that nobody asked for.
      engine: { name: engineName, on_violation: options.onViolation, metrics: "off" },
    },
    { checkPorts: true, ownPorts: new Set() },
  );
  if (!result.ok) {
    const { showProblems } = await import("./output/show-problems.ts");
    await showProblems(result.problems, null, globals.json === true);
    return exitCodes.usage;
  }
  const source = { configFile: null, inline: result.config, engineName: null };
  return await hostEngine({ globals, source, presenter: await presenterFor(globals) });
}
