/**
 * `aether bench burst`: so many sleeping functions woken in the same instant. What counts is the last one: the sum of all
 * restores is shared by the processors, and nobody is forgotten.
 */
import { join } from "node:path";
import { benchArguments } from "./arguments.ts";
import { BenchEngine, criuBinary, freePorts, repository, restless } from "./bench-engine.ts";
import { BenchClient } from "./client.ts";
import { machineFacts, quantiles } from "./machine.ts";
import type { Quantiles } from "./machine.ts";

const sizes = [1, 8, 64] as const;
/** After the sleeps, until every next wake is prepared. */
const pauseMs = 500;

interface Burst {
  /** Whether every restore was done before, up to the first instruction. */
  readonly ahead: boolean;
  readonly functions: number;
  readonly rounds: number;
  readonly answers: number;
  readonly failures: readonly string[];
  readonly firstByteMs: Quantiles;
  /** The last first byte of each round. */
  readonly lastMs: Quantiles;
  /** 64 x 8 ms / 2 + 100 ms for 64 on two processors, and so on. */
  readonly allowedMs: number;
}

async function measure(rounds: number, ahead: boolean): Promise<Burst[]> {
  await using engine = new BenchEngine();
  const ports = await freePorts(Math.max(...sizes));
  const functions = ports.map((port, index) => ({
    id: `f${index}`,
    command: "/usr/bin/python3 handler.py",
    cwd: join(repository, "fixtures/hello-python"),
    trigger_port: port,
    idle: restless,
    restore_ahead: ahead ? "auto" : "never",
  }));
  await engine.start(functions, {}, 300_000);
  using client = BenchClient.start(engine.folder);
  const bursts: Burst[] = [];
  for (const size of sizes) {
    const chosen = ports.slice(0, size);
    const firsts: number[] = [];
    const lasts: number[] = [];
    const failures: string[] = [];
    // One round more than is counted: the first one warms up.
    for (let round = -1; round < rounds; round++) {
      const timings = await client.get(chosen);
      const good = timings.flatMap((timing) => ("failure" in timing ? [] : timing.firstByteMs));
      if (round >= 0) {
        firsts.push(...good);
        lasts.push(Math.max(...good));
        failures.push(...timings.flatMap((timing) => ("failure" in timing ? timing.failure : [])));
      }
      const ids = chosen.map((_, index) => `f${index}`);
      await Promise.all(ids.map((id) => engine.requests.action(id, "snapshot")));
      if (ahead) await engine.restoredAhead(ids);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    bursts.push({
      ahead,
      functions: size,
      rounds,
      answers: firsts.length,
      failures,
      firstByteMs: quantiles(firsts),
      lastMs: quantiles(lasts),
      allowedMs: (size * 8) / machineFacts(criuBinary).cores + 100,
    });
  }
  return bursts;
}

const { n, json } = benchArguments(10);
const when = new Date().toISOString();
const bursts = [...(await measure(n, false)), ...(await measure(n, true))];
const result = { bench: "burst", when, machine: machineFacts(criuBinary), bursts };
if (json) console.log(JSON.stringify(result, null, 2));
else {
  const { machine } = result;
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, CRIU ${machine.criu}; ms\n`);
  console.log(
    "restored       functions  rounds  answers  failed  first byte p50    p99   last p50     max   allowed",
  );
  for (const burst of result.bursts) {
    const { ahead, functions, rounds, answers, failures, firstByteMs, lastMs, allowedMs } = burst;
    const ms = (value: number, width: number): string => value.toFixed(1).padStart(width);
    console.log(
      `${(ahead ? "ahead" : "at the wake").padEnd(15)}${String(functions).padStart(9)}${String(rounds).padStart(8)}${String(answers).padStart(9)}${String(failures.length).padStart(8)}${ms(firstByteMs.p50, 16)}${ms(firstByteMs.p99, 7)}${ms(lastMs.p50, 11)}${ms(lastMs.max, 8)}${ms(allowedMs, 10)}`,
    );
  }
}
