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
const benches = ["restore"] as const;

export function benchCommand(): Command {
  const command = new Command("bench")
    .description("measure on this machine, beside a baseline in the same run")
    .addArgument(new Argument("<name>", "what to measure").choices(benches))
    .addOption(new Option("--n <count>", "how often").argParser(parseCount).default(100));
  return onRun(command, (globals, [name = ""]) => run(globals, name, command.opts<{ n: number }>().n));
}

async function run(globals: GlobalOptions, name: string, n: number): Promise<number> {
  const program = `${folder}/${name}.ts`;
  if (!existsSync(program)) {
    throw new AetherError("AE_USAGE", `the benchmark ${name} is not in this package`, {
      why: `${program} is missing${existsSync(folder) ? `; there are ${readdirSync(folder).join(", ")}` : ""}`,
      hint: "Benchmarks come with the repository: run it in a checkout.",
    });
  }
  const args = [program, "--n", String(n), ...(globals.json === true ? ["--json"] : [])];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
