/** The program around a handler: which command runs it, and in which file it is looked for. */
import type { HandlerConfig } from "../../protocol/config.ts";
import { packagePaths } from "../package-paths.ts";

/** The command that serves a handler. */
export function handlerCommand(runtime: HandlerConfig["runtime"], entry: string): readonly string[] {
  switch (runtime) {
    case "python":
      return ["python3", "-m", "aether.runner", entry];
    case "node":
      return ["node", `${packagePaths.root}/sdk/node/src/runner.js`, entry];
    default:
      return runtime satisfies never;
  }
}

/** Files that an entry may mean, relative to the function's folder. */
export function entryFiles(runtime: HandlerConfig["runtime"], entry: string): readonly string[] {
  const name = entry.slice(0, entry.lastIndexOf("."));
  if (runtime === "node") return ["mjs", "js", "cjs"].map((ending) => `${name}.${ending}`);
  const path = name.replaceAll(".", "/");
  return [`${path}.py`, `${path}/__init__.py`];
}
