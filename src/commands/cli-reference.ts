/** docs/cli.md, made from the command line as it is defined; a test keeps the file equal to it. */
import type { Command } from "commander";
import { describeProgram } from "./describe-program.ts";
import type { OptionInfo, VerbInfo } from "./describe-program.ts";

export function cliReference(program: Command): string {
  const info = describeProgram(program);
  return `${[
    "# Command line",
    "<!-- Made from src/commands by test/unit/cli/reference.test.ts (AETHER_UPDATE_DOCS=1); do not edit. -->",
    info.description,
    "    aether [options] [verb]",
    "Options before or after the verb:",
    optionTable(info.options),
    "## Verbs",
    ...info.verbs.flatMap(verbText),
    ...closing,
  ].join("\n\n")}\n`;
}

function verbText(verb: VerbInfo): string[] {
  const usage = [
    "aether",
    verb.name,
    ...(verb.options.length > 0 ? ["[options]"] : []),
    ...(verb.name === "run" ? ["--"] : []),
    ...verb.arguments.map((each) => each.usage),
  ];
  const alias = verb.aliases.length === 0 ? "" : ` Also \`${verb.aliases.join("`, `")}\`.`;
  const args = verb.arguments.map(({ usage, description }) => `- \`${usage}\`: ${description}`);
  return [
    `### ${verb.name}`,
    `    ${usage.join(" ")}`,
    `${verb.description.charAt(0).toUpperCase()}${verb.description.slice(1)}.${alias}`,
    ...(args.length === 0 ? [] : [args.join("\n")]),
    ...(verb.options.length === 0 ? [] : [optionTable(verb.options)]),
  ];
}

function optionTable(options: readonly OptionInfo[]): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  const rows = options.map(({ flags, description }) => `| \`${cell(flags)}\` | ${cell(description)} |`);
  return ["| Option | Meaning |", "| --- | --- |", ...rows].join("\n");
}

const closing = [
  "## Which engine is meant",
  "`--engine NAME`, else `engine.name` in the file of `-c FILE` or in `./aether.yaml`, else `default`. `aether run` names its engine `run-PORT`.",
  "## Exit codes",
  [
    "| Code | Meaning |",
    "| --- | --- |",
    "| 0 | done |",
    "| 1 | the engine failed, or refused the order |",
    "| 2 | the configuration or the command line is wrong |",
    "| 3 | the machine is not ready; `aether doctor` says what is missing |",
    "| 128+n | ended by signal n |",
  ].join("\n"),
  "## JSON",
  "`--json` works with every verb that reads. `ps --json` is a list of `{id, state, activity, triggerPort, instances: [{pid, state}], image: {image, imageReason, sizeBytes} or null, restoredAhead, wakes, coldStarts, restore: {count, lastMs, p50Ms, p95Ms, p99Ms}, lastError}`; `stats --json` is `{engine: {pid, name, startedAt, ...}, totals, errors, interfaces, functions: [{id, ...}]}`, read from the engine's [shared memory](stats-region.md) without asking it: `engine.liveness` is `live`, or `silent` for an engine that is stopped or stuck; `wakes --json` is a list of `{functionId, tier, cause, seenAtMs, phases: {name: microseconds}, restoreMs, ahead, totalMs, budgetMs, overBudget, criu, error, ...}`, with the phases of [Wake path](wake-path.md#wake-records). What goes on (`stats --watch`, `logs -f`, `events -f`, `up`, `aether` off a terminal) prints one JSON value a line. Errors go to stderr, as `{error}` or `{problems}`.",
  "## Signals",
  "SIGINT, SIGTERM and SIGHUP end an engine in order, within 10 s; a second one ends it at once, and the launcher ends its functions.",
];
