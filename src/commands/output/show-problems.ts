/** The problems of a configuration that was refused at start. */
import type { ConfigProblem } from "../../protocol/config.ts";
import { toJson } from "./print.ts";

export async function showProblems(
  problems: readonly ConfigProblem[],
  file: string | null,
  json: boolean,
): Promise<void> {
  if (json) {
    process.stderr.write(`${toJson({ problems })}\n`);
    return;
  }
  const { formatProblems } = await import("../../engine/config/format-problems.ts");
  process.stderr.write(`${formatProblems(problems, await sourceOf(file), process.cwd())}\n`);
}

/** The text of the file, env values masked, for the excerpts. */
async function sourceOf(file: string | null): Promise<string | null> {
  if (file === null) return null;
  const { loadConfig } = await import("../../engine/config/load.ts");
  const result = loadConfig(file, { checkPorts: false, ownPorts: new Set() });
  return result.ok ? null : result.source;
}
