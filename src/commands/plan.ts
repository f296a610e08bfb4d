/** `aether plan PROFILE`: what the idle settings would have done under a recorded traffic; `--record` records it. */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { AetherError } from "../protocol/errors.ts";
import { idPattern } from "../protocol/paths.ts";
import { wakeTiers } from "../protocol/states.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import type { Declared, Measured } from "./plan/figures.ts";

interface PlanOptions {
  readonly record?: true;
  readonly for?: string;
  readonly cost: Declared["costs"];
  readonly memory: Declared["memory"];
}

export function planCommand(): Command {
  const command = new Command("plan")
    .description(
      "replay a traffic profile against the idle settings: sleeps, wakes by tier, their cost, memory saved",
    )
    .addArgument(new Argument("[profile]", "JSON lines {t, id}; - is stdin, with --record stdout"))
    .addOption(new Option("--record", "write the profile of the running engine's clients until Ctrl-C"))
    .addOption(new Option("--for <duration>", "end the recording after this time, such as 10m"))
    .addOption(
      new Option(
        "--cost <tier=p50,p99>",
        "cost of a wake in ms, where none was measured; ID:TIER for one function",
      )
        .argParser(collectCost)
        .default([], "what the running engine measured"),
    )
    .addOption(
      new Option("--memory <size>", "memory of a running function, such as 64MiB; ID=SIZE for one function")
        .argParser(collectMemory)
        .default([], "what the running engine measured"),
    );
  return onRun(command, (globals, [profile]) => run(globals, profile, command.opts<PlanOptions>()));
}

function collectCost(text: string, before: Declared["costs"]): Declared["costs"] {
  const [, id, name = "", p50 = "", p99 = ""] =
    /^(?:([^:=]+):)?([a-z]+)=(\d{1,7}(?:\.\d+)?),(\d{1,7}(?:\.\d+)?)$/.exec(text) ?? [];
  const tier = wakeTiers.find((each) => each === name);
  if (tier === undefined || (id !== undefined && !idPattern.test(id)))
    throw new InvalidArgumentError(`It is not TIER=P50,P99 with a tier of ${wakeTiers.join(", ")}.`);
  if (Number(p50) > Number(p99)) throw new InvalidArgumentError("Its p50 is above its p99.");
  return [...before, { id: id ?? null, tier, p50Ms: Number(p50), p99Ms: Number(p99) }];
}

function collectMemory(text: string, before: Declared["memory"]): Declared["memory"] {
  const [, id, number = "", unit = ""] = /^(?:([^=]+)=)?(\d{1,12})(B|KiB|MiB|GiB)?$/.exec(text) ?? [];
  if (number === "" || (id !== undefined && !idPattern.test(id)))
    throw new InvalidArgumentError("It is not a size such as 64MiB, or ID=SIZE.");
  const factor = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[unit] ?? 1;
  return [...before, { id: id ?? null, bytes: Number(number) * factor }];
}

async function run(
  globals: GlobalOptions,
  profile: string | undefined,
  options: PlanOptions,
): Promise<number> {
  if (options.record === true) return await recordProfile(globals, profile ?? "profile.jsonl", options.for);
  if (options.for !== undefined) throw new AetherError("AE_USAGE", "--for goes with --record");
  if (profile === undefined) {
    throw new AetherError("AE_USAGE", "there is no profile to replay", {
      hint: "Record one: `aether plan --record profile.jsonl`, then `aether plan profile.jsonl`.",
    });
  }
  return await replayProfile(globals, profile, options);
}

async function recordProfile(
  globals: GlobalOptions,
  file: string,
  text: string | undefined,
): Promise<number> {
  const { parseDuration } = await import("../engine/config/units.ts");
  const forMs = text === undefined ? null : parseDuration(text);
  if (text !== undefined && (forMs === null || forMs === 0))
    throw new AetherError("AE_USAGE", `--for ${text} is no time`, { hint: "Write 30s, 10m or 2h." });
  const { record } = await import("./plan/record.ts");
  const { watchShutdownSignals } = await import("./shutdown-signals.ts");
  const { withEngine } = await import("./with-engine.ts");
  using signals = watchShutdownSignals();
  const ended = new AbortController();
  void signals.first.then(() => ended.abort());
  const lines = await withEngine(globals, (requests) =>
    record(requests, { file, forMs, signal: ended.signal }),
  );
  if (file !== "-") process.stderr.write(`${lines} ${lines === 1 ? "line" : "lines"} written to ${file}\n`);
  return 0;
}

async function replayProfile(globals: GlobalOptions, profile: string, options: PlanOptions): Promise<number> {
  const config = await loadIdleSettings(globals);
  const { readProfile } = await import("../engine/plan/read-profile.ts");
  const { Replay } = await import("../engine/plan/replay.ts");
  const { figuresOf } = await import("./plan/figures.ts");
  const { planReport } = await import("./plan/report.ts");
  const { print, printJson } = await import("./output/print.ts");
  const reachable = config.functions.filter(({ triggerPort }) => triggerPort !== null);
  const replay = new Replay(reachable);
  const name = profile === "-" ? "stdin" : profile;
  for await (const entry of readProfile(await openProfile(profile), name)) replay.take(entry);
  const measured = await measuredBy(globals);
  const declared = { costs: options.cost, memory: options.memory };
  const report = planReport({ profile: name, config: config.file ?? "" }, replay.result(), (id) =>
    figuresOf({ id }, declared, measured),
  );
  if (globals.json === true) {
    printJson(report);
    return 0;
  }
  const { colorsOn } = await import("./output/style.ts");
  const { planText } = await import("./plan/report-text.ts");
  print(planText(report, colorsOn(process.stdout, globals.color)));
  return 0;
}

async function openProfile(profile: string): Promise<AsyncIterable<Uint8Array>> {
  if (profile === "-") return process.stdin;
  const { open } = await import("node:fs/promises");
  try {
    const file = await open(profile);
    if ((await file.stat()).isDirectory()) {
      await file.close();
      throw new Error("it is a folder");
    }
    return file.createReadStream();
  } catch (error) {
    throw new AetherError("AE_PROFILE_UNREADABLE", `cannot read the profile ${profile}`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "Record one: `aether plan --record FILE`.",
      data: { file: profile },
    });
  }
}

async function loadIdleSettings(globals: GlobalOptions) {
  const { chooseConfigFile } = await import("../client/engine-name.ts");
  const file = chooseConfigFile({ engine: globals.engine, config: globals.config });
  if (file === null) {
    throw new AetherError("AE_CONFIG_UNREADABLE", "there is no aether.yaml here", {
      hint: "Name a configuration: `aether plan -c FILE PROFILE`.",
    });
  }
  const { loadConfig } = await import("../engine/config/load.ts");
  const { validationError } = await import("../engine/config/format-problems.ts");
  const loaded = loadConfig(file, { checkPorts: false, ownPorts: new Set() });
  if (!loaded.ok) throw validationError(loaded.problems);
  return loaded.config;
}

/** The running engine's figures; `null` where none runs. An engine that does not answer is an error, not a `null`. */
async function measuredBy(globals: GlobalOptions): Promise<Measured | null> {
  const { findEngine } = await import("../client/find-engine.ts");
  const { engineNameOf, withEngine } = await import("./with-engine.ts");
  if (findEngine(await engineNameOf(globals)) === null) return null;
  return await withEngine(globals, async (requests) => ({
    view: await requests.state(),
    wakes: await requests.wakes(null, 2_000),
    events: await requests.events(2_000),
  }));
}
