/**
 * Two programs for the test of the seqlock. `write FILE`: changes every number of every record as fast as it can, and
 * grows the region, until its input ends. `read N FILE`: reads N times; all numbers of a record must be of one change.
 */
import { setImmediate } from "node:timers/promises";
import type { FunctionStats } from "../../src/protocol/stats-layout.ts";
import { latencyBucketCount } from "../../src/protocol/latency-buckets.ts";
import { functionLayout } from "../../src/protocol/stats-layout.ts";
import { isAetherError } from "../../src/protocol/errors.ts";
import { StatsReader } from "../../src/protocol/stats-reader.ts";
import type { StatsSnapshot } from "../../src/protocol/stats-reader.ts";
import { fakeFunction } from "./fake-core.ts";
import { pulseNow, recordOf, testRegion } from "./stats-region.ts";

const numbers = Object.entries(functionLayout.fields).filter(
  ([name, { kind }]) =>
    name !== "position" && (kind.type === "u64" || kind.type === "f64" || kind.type === "counts"),
) as [keyof FunctionStats, { kind: { type: string } }][];

function change(id: string, position: number, round: number): FunctionStats {
  const values = numbers.map(([name, { kind }]) => [
    name,
    kind.type === "counts" ? Array.from({ length: latencyBucketCount }, () => round) : round,
  ]);
  return recordOf(fakeFunction(id), { ...(Object.fromEntries(values) as Partial<FunctionStats>), position });
}

async function write(path: string): Promise<void> {
  const input = { ended: false };
  process.stdin.on("end", () => (input.ended = true)).resume();
  const region = testRegion(path);
  process.stdout.write("writing\n");
  let functions = 4;
  let round = 0;
  while (!input.ended) {
    for (let burst = 0; burst < 50; burst++) {
      round += 1;
      for (let index = 0; index < functions; index++) region.setFunction(change(`f${index}`, index, round));
      region.flush();
      region.beat(pulseNow({ beats: round }));
    }
    if (functions < 40) functions += 6;
    await setImmediate();
  }
  using reader = StatsReader.open(path);
  process.stdout.write(`${JSON.stringify({ round, generation: reader?.read().header.generation })}\n`);
  region[Symbol.dispose]();
}

/** On a busy machine the writer may be without a processor in the middle of a record: that is told, and no tear. */
function readSettled(reader: StatsReader): StatsSnapshot {
  for (;;) {
    try {
      return reader.read();
    } catch (error) {
      if (!isAetherError(error) || error.data["reason"] !== "Unsettled") throw error;
    }
  }
}

async function read(times: number, path: string): Promise<void> {
  using reader = StatsReader.open(path);
  if (reader === null) throw new Error(`no region at ${path}`);
  let torn = 0;
  let records = 0;
  const rounds = new Set<number>();
  for (let index = 0; index < times; index++) {
    for (const record of readSettled(reader).functions) {
      const seen = new Set(numbers.flatMap(([name]) => record[name]));
      records += 1;
      if (seen.size > 1) torn += 1;
      rounds.add(record.coldStarts);
    }
    await setImmediate();
  }
  process.stdout.write(`${JSON.stringify({ torn, records, different: rounds.size })}\n`);
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "write") await write(rest[0] ?? "");
else await read(Number(rest[0]), rest[1] ?? "");
