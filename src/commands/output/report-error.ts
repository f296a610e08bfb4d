/** A failure for people: one line what, one line why, one line what to do. As data with --json. */
import type { AetherError } from "../../protocol/errors.ts";
import { sanitize } from "../../ui/format/sanitize.ts";
import { toJson } from "./print.ts";
import { colorsOn, paint } from "./style.ts";

export interface ReportOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

export function reportError(error: AetherError, options: ReportOptions): void {
  process.stderr.write(
    options.json ? `${toJson({ error: error.toJSON() })}\n` : `${errorLines(error, options).join("\n")}\n`,
  );
}

function errorLines(error: AetherError, options: ReportOptions): string[] {
  const on = colorsOn(process.stderr, options.color);
  const lines = [`${paint("error", "red", on)} ${error.code}: ${sanitize(error.what)}`];
  if (error.why !== null) lines.push(`  why: ${sanitize(error.why)}`);
  for (const list of [error.data["problems"], error.data["log"]]) {
    if (Array.isArray(list))
      lines.push(...(list as readonly string[]).map((line) => `    ${sanitize(line)}`));
  }
  if (error.hint !== null) lines.push(`  do:  ${sanitize(error.hint)}`);
  if (error.kind !== "system") return lines;
  if (options.verbose) lines.push(...(error.stack ?? "").split("\n").map((line) => `  ${sanitize(line)}`));
  else lines.push("  (--verbose shows where it happened)");
  return lines;
}
