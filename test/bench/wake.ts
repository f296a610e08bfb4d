/**
 * `aether bench wake`: from connect to answer, for every tier, and `criu restore` by its command line beside it. The tiers
 * take turns, so that drift of the machine hits all alike.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { NumberedWake } from "../../src/protocol/wakes.ts";
import type { WakePhase } from "../../src/protocol/wakes.ts";
import { benchArguments } from "./arguments.ts";
import { BenchEngine, criuBinary, freePorts, repository, restless } from "./bench-engine.ts";
import { BenchClient } from "./client.ts";
import { restoreByCommandLine } from "./criu-command-line.ts";
import { machineFacts, quantiles } from "./machine.ts";
import type { Quantiles } from "./machine.ts";

/** Rounds before counting begins: caches, and the engine's code compiled. */
const warmUpRounds = 5;
/** Restores by command line in a row, every so many rounds. */
const baselineBatch = 5;
/** After a sleep the next wake is prepared; it must not be measured along. */
const pauseMs = 60;

const programs = [
  { id: "hello-python", command: "/usr/bin/python3 handler.py", folder: "hello-python" },
  { id: "hello-node", command: "node handler.mjs", folder: "hello-node" },
  { id: "heap-node-64", command: "node handler.mjs", folder: "heap-node" },
  { id: "python-import", command: "/usr/bin/python3 handler.py", folder: "python-import" },
] as const;

/** `stock` and `mapped`: the restore is done while the client waits. `ahead`: of a mapped image, as far as it goes before. */
const tiers = ["cold", "suspended", "stock", "mapped", "ahead"] as const;
type Tier = (typeof tiers)[number];

interface Subject {
  readonly program: (typeof programs)[number]["id"];
  readonly tier: Tier;
  /** The function that sleeps this way. */
  readonly id: string;
  readonly port: number;
}

interface Sample {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly lastByteMs: number;
  readonly wake: NumberedWake;
}

interface Case {
  readonly function: string;
  readonly tier: Tier;
  readonly n: number;
  readonly failures: number;
  readonly violations: number;
  readonly connectMs: Quantiles;
  readonly firstByteMs: Quantiles;
  readonly lastByteMs: Quantiles;
  readonly restoreMs: Quantiles | null;
  readonly phasesMs: Readonly<Record<string, Quantiles>>;
}

/** Puts a function to its kind of sleep. */
async function layDown(engine: BenchEngine, { id, tier }: Subject): Promise<void> {
  switch (tier) {
    case "cold":
      await engine.requests.action(id, "kill");
      return;
    case "suspended":
      await engine.requests.action(id, "suspend");
      return;
    case "stock":
    case "mapped":
      await engine.requests.action(id, "snapshot");
      return;
    case "ahead":
      await engine.requests.action(id, "snapshot");
      await engine.restoredAhead([id]);
      return;
    default:
      tier satisfies never;
  }
}

async function once(engine: BenchEngine, client: BenchClient, subject: Subject): Promise<Sample | string> {
  await layDown(engine, subject);
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  const askedAtMs = Date.now();
  const [timing] = await client.get([subject.port]);
  if (timing === undefined || "failure" in timing) return timing?.failure ?? "no answer";
  // The record is written when the client is being served already.
  for (const end = Date.now() + 2_000; Date.now() < end;) {
    const [wake] = await engine.requests.wakes(subject.id, 1);
    // Not that of the wake before; the two clocks may differ by the rounding of one.
    if (wake !== undefined && wake.seenAtMs >= askedAtMs - 2) return { ...timing, wake };
  }
  return "no record";
}

function summarize(subject: Subject, samples: readonly Sample[], failures: number): Case {
  const of = (pick: (sample: Sample) => number): Quantiles => quantiles(samples.map(pick));
  const restores = samples.flatMap(({ wake }) => wake.restoreMs ?? []);
  // A record has its phases in the order in which they came.
  const names = new Set(samples.flatMap(({ wake }) => Object.keys(wake.phases) as WakePhase[]));
  const phases = [...names].flatMap((phase): [string, Quantiles][] => {
    const times = samples.flatMap(({ wake }) => wake.phases[phase] ?? []);
    return times.length === 0 ? [] : [[phase, quantiles(times.map((time) => time / 1000))]];
  });
  return {
    function: subject.program,
    tier: subject.tier,
    n: samples.length,
    failures,
    violations: samples.filter(({ wake }) => wake.overBudget).length,
    connectMs: of(({ connectMs }) => connectMs),
    firstByteMs: of(({ firstByteMs }) => firstByteMs),
    lastByteMs: of(({ lastByteMs }) => lastByteMs),
    restoreMs: restores.length === 0 ? null : quantiles(restores),
    phasesMs: Object.fromEntries(phases),
  };
}

interface Baseline {
  readonly function: string;
  /** Asked while it runs, after the same pause: what the process itself takes. Above it is what waking costs. */
  readonly awakeFirstByteMs: Quantiles;
  readonly restoreMs: Quantiles;
  /** Over 1.5 the run was not quiet. */
  readonly p99OverP50: number;
}

async function measure(
  n: number,
  only: readonly string[],
): Promise<{ cases: Case[]; baseline: Baseline[]; failures: string[] }> {
  await using engine = new BenchEngine();
  const chosen = programs.filter(({ id }) => only.length === 0 || only.includes(id));
  const ports = await freePorts(chosen.length * 4);
  const subjects: Subject[] = [];
  const functions: object[] = [];
  for (const { id, command, folder } of chosen) {
    const common = { command, cwd: join(repository, "fixtures", folder), idle: restless };
    const add = (suffix: string, more: object): { id: string; port: number } => {
      const port = ports.pop() ?? 0;
      functions.push({ ...common, id: `${id}${suffix}`, trigger_port: port, ...more });
      return { id: `${id}${suffix}`, port };
    };
    const cold = add("-cold", { start: "lazy" });
    const stock = add("-stock", { image: "stock", restore_ahead: "never" });
    const mapped = add("", { image: "mapped", restore_ahead: "never" });
    const ahead = add("-ahead", { image: "mapped", restore_ahead: "always" });
    for (const [tier, which] of [
      ["cold", cold],
      ["suspended", mapped],
      ["stock", stock],
      ["mapped", mapped],
      ["ahead", ahead],
    ] as const)
      subjects.push({ program: id, tier, ...which });
  }
  await engine.start(functions);
  using client = BenchClient.start(engine.folder);
  // What is suspended or killed must run first.
  await client.get(subjects.map(({ port }) => port));
  const samples = new Map<Subject, Sample[]>(subjects.map((subject) => [subject, []]));
  const failures = new Map<Subject, string[]>(subjects.map((subject) => [subject, []]));
  const restores = new Map<string, number[]>(chosen.map(({ id }) => [id, []]));
  const awake = new Map<string, number[]>(chosen.map(({ id }) => [id, []]));
  for (let round = -warmUpRounds; round < n; round++) {
    for (const subject of subjects) {
      const sample = await once(engine, client, subject);
      if (typeof sample === "string") failures.get(subject)?.push(sample);
      else if (round >= 0) samples.get(subject)?.push(sample);
    }
    for (const { program, port } of subjects.filter(({ tier }) => tier === "mapped")) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const [timing] = await client.get([port]);
      if (round >= 0 && timing !== undefined && "firstByteMs" in timing)
        awake.get(program)?.push(timing.firstByteMs);
    }
    if (round < 0 || round % baselineBatch !== 0) continue;
    for (const { id } of chosen) {
      await engine.requests.action(`${id}-stock`, "snapshot");
      const images = join(engine.snapshotDir, `aether-${engine.name}`, `${id}-stock`);
      // The former image may still be on its way out.
      const image = readdirSync(images)
        .filter((name) => name.startsWith("image-"))
        .toSorted((left, right) => Number(left.slice(6)) - Number(right.slice(6)))
        .at(-1);
      if (image !== undefined)
        restores.get(id)?.push(...restoreByCommandLine(criuBinary, join(images, image), baselineBatch));
      await client.get(subjects.filter((subject) => subject.id === `${id}-stock`).map(({ port }) => port));
    }
    if (!json) process.stderr.write(`\r${round + 1} of ${n} rounds`);
  }
  if (!json) process.stderr.write("\r\u001b[K");
  return {
    cases: subjects.map((subject) =>
      summarize(subject, samples.get(subject) ?? [], failures.get(subject)?.length ?? 0),
    ),
    baseline: chosen.map(({ id }) => {
      const restoreMs = quantiles(restores.get(id) ?? []);
      const awakeFirstByteMs = quantiles(awake.get(id) ?? []);
      return {
        function: id,
        awakeFirstByteMs,
        restoreMs,
        p99OverP50: ratio(restoreMs.p99, restoreMs.p50),
      };
    }),
    failures: [...failures].flatMap(([{ id, tier }, all]) => all.map((why) => `${id} (${tier}): ${why}`)),
  };
}

function ratio(left: number, right: number): number {
  return Math.round((left / right) * 100) / 100;
}

/** What the figures are about: ours against the command line and against a cold start, in the same run. */
function ratios(cases: readonly Case[], baseline: readonly Baseline[]) {
  const find = (id: string, tier: Tier): Case | undefined =>
    cases.find((entry) => entry.function === id && entry.tier === tier);
  return baseline.map(({ function: id, restoreMs }) => {
    const mapped = find(id, "mapped");
    return {
      function: id,
      commandLineOverMapped: ratio(restoreMs.p50, mapped?.restoreMs?.p50 ?? Number.NaN),
      stockOverMapped: ratio(
        find(id, "stock")?.restoreMs?.p50 ?? Number.NaN,
        mapped?.restoreMs?.p50 ?? Number.NaN,
      ),
      mappedOverAheadFirstByte: ratio(
        mapped?.firstByteMs.p50 ?? Number.NaN,
        find(id, "ahead")?.firstByteMs.p50 ?? Number.NaN,
      ),
      coldOverMappedFirstByte: ratio(
        find(id, "cold")?.firstByteMs.p50 ?? Number.NaN,
        mapped?.firstByteMs.p50 ?? Number.NaN,
      ),
    };
  });
}

const { n, json, functions } = benchArguments(100);
const when = new Date().toISOString();
const measured = await measure(n, functions);
const result = {
  bench: "wake",
  when,
  machine: machineFacts(criuBinary),
  ...measured,
  ratios: ratios(measured.cases, measured.baseline),
};
if (json) console.log(JSON.stringify(result, null, 2));
else printTable();

function printTable(): void {
  const { machine } = result;
  const ms = (value: number | undefined, width = 8): string =>
    value === undefined || Number.isNaN(value) ? "–".padStart(width) : value.toFixed(2).padStart(width);
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, CRIU ${machine.criu}; ms\n`);
  console.log("                            first byte                       restore");
  console.log(
    "function       tier            p50     p90     p99     max     p50     p99    n  failed  over budget",
  );
  for (const entry of result.cases) {
    const { firstByteMs: first, restoreMs: restore } = entry;
    console.log(
      `${entry.function.padEnd(15)}${entry.tier.padEnd(11)}${[first.p50, first.p90, first.p99, first.max].map((value) => ms(value)).join("")}${ms(restore?.p50)}${ms(restore?.p99)}${String(entry.n).padStart(5)}${String(entry.failures).padStart(8)}${String(entry.violations).padStart(13)}`,
    );
  }
  console.log("\ncriu restore by command line, of the stock image");
  for (const { function: id, restoreMs, p99OverP50 } of result.baseline)
    console.log(
      `${id.padEnd(26)}p50 ${ms(restoreMs.p50)}  p99 ${ms(restoreMs.p99)}  n ${restoreMs.n}  p99/p50 ${p99OverP50}`,
    );
  console.log("\nfirst byte of the same process while it runs: what is above it is the wake");
  for (const { function: id, awakeFirstByteMs: awake } of result.baseline)
    console.log(`${id.padEnd(26)}p50 ${ms(awake.p50)}  p99 ${ms(awake.p99)}  n ${awake.n}`);
  console.log(
    "\ntimes faster: mapped than the command line, than stock; its first byte than a cold start; ahead than mapped",
  );
  for (const entry of result.ratios)
    console.log(
      `${entry.function.padEnd(26)}${ms(entry.commandLineOverMapped)}${ms(entry.stockOverMapped)}${ms(entry.coldOverMappedFirstByte)}${ms(entry.mappedOverAheadFirstByte)}`,
    );
  for (const failure of result.failures) console.log(failure);
}
