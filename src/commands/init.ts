/** `aether init`: a first aether.yaml and a first handler. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join, relative, resolve } from "node:path";
import { Argument, Command, Option } from "commander";
import { AetherError } from "../protocol/errors.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { initFiles } from "./init-files.ts";
import type { HandlerLanguage } from "./init-files.ts";

export function initCommand(): Command {
  const command = new Command("init")
    .description("write a first aether.yaml and a first handler; nothing is overwritten")
    .addArgument(new Argument("[folder]", "where (default: here)"))
    .addOption(
      new Option("--language <name>", "of the handler (default: python where python3 is found)").choices([
        "python",
        "node",
      ]),
    );
  return onRun(command, (globals, [folder]) =>
    run(globals, folder ?? ".", command.opts<{ language?: HandlerLanguage }>().language),
  );
}

async function run(
  globals: GlobalOptions,
  folder: string,
  wanted: HandlerLanguage | undefined,
): Promise<number> {
  const language = wanted ?? (isOnPath("python3") ? "python" : "node");
  const directory = resolve(folder);
  const files = initFiles(language).map(({ name, text }) => ({ path: join(directory, name), text }));
  const taken = files.find(({ path }) => existsSync(path));
  if (taken !== undefined) {
    throw new AetherError("AE_USAGE", `${taken.path} exists already`, {
      why: "init overwrites nothing",
      hint: "Choose another folder: `aether init FOLDER`.",
      data: { path: taken.path },
    });
  }
  try {
    mkdirSync(directory, { recursive: true });
    for (const { path, text } of files) writeFileSync(path, text, { flag: "wx" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AetherError("AE_USAGE", `cannot write into ${directory}`, {
      why,
      data: { path: directory },
      cause: error,
    });
  }
  const { print, printJson } = await import("./output/print.ts");
  const paths = files.map(({ path }) => path);
  if (globals.json === true) {
    printJson({ written: paths });
    return 0;
  }
  const near = relative(process.cwd(), directory);
  for (const path of paths) print(`wrote ${relative(process.cwd(), path)}`);
  print(
    `next: ${near === "" ? "" : `cd ${near} && `}aether    then, in another terminal: curl localhost:8080/`,
  );
  return 0;
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => folder !== "" && existsSync(join(folder, program)));
}
