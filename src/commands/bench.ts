/** `aether bench NAME`: runs a benchmark of test/bench, which brings its own engine, and prints its figures. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { Argument, Command, Option } from "commander";
import { packagePaths } from "../engine/package-paths.ts";
import { AetherError } from "../protocol/errors.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { parseCount } from "./parse-number.ts";

const folder = `${packagePaths.root}/test/bench`;

/** The benchmarks there are, each a program of that name. */
const benches = ["wake", "burst", "idle", "ipc", "dataplane", "xdp", "console"] as const;

interface BenchOptions {
  readonly n?: number;
  readonly function?: readonly string[];
}

export function benchCommand(): Command {
  const command = new Command("bench")
    .description("measure on this machine, beside a baseline in the same run")
    .addArgument(new Argument("<name>", "what to measure").choices(benches))
    .addOption(new Option("--n <count>", "how often; each benchmark has a default").argParser(parseCount))
    .addOption(new Option("--function <id...>", "wake: only these of its functions"));
  return onRun(command, (globals, [name = ""]) => run(globals, name, command.opts<BenchOptions>()));
}

async function run(globals: GlobalOptions, name: string, options: BenchOptions): Promise<number> {
  const program = `${folder}/${name}.ts`;
  if (!existsSync(program)) {
    throw new AetherError("AE_USAGE", `the benchmark ${name} is not in this package`, {
      why: `${program} is missing${existsSync(folder) ? `; there are ${readdirSync(folder).join(", ")}` : ""}`,
      hint: "Benchmarks come with the repository: run it in a checkout.",
    });
  }
  const args = [
    program,
    ...(options.n === undefined ? [] : ["--n", String(options.n)]),
    ...(options.function ?? []).flatMap((id) => ["--function", id]),
    ...(globals.json === true ? ["--json"] : []),
  ];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
