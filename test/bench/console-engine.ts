/**
 * What a console needs of an engine, and nothing else, in a process of its own: a lock, a control socket that tells the
 * state once, and a real stats region whose every record is changed so many times a second by its own writer.
 * Orders come as lines on stdin: `busy`, `calm`; its end ends it. Arguments: name, functions, changes a second.
 */
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { acquireEngineLock } from "../../dist/engine/lock.js";
import { controlVersion, controlVersionHeader } from "../../dist/protocol/control.js";
import { enginePaths } from "../../dist/protocol/paths.js";
import { processStartTicks } from "../../dist/protocol/process-start.js";
import { heartbeatIntervalMs } from "../../dist/protocol/stats-layout.js";
import type * as Records from "../../src/engine/stats/function-record.ts";
import type * as Regions from "../../src/engine/stats/stats-region.ts";
import type * as Tallies from "../../src/engine/stats/tally.ts";
import type { FunctionView } from "../../src/protocol/views.ts";
import { asleep, fakeEngineView, fakeFunction } from "../helpers/fake-engine-views.ts";

// What runs is the build. Its types are those of the sources: a build that is older must not stop the type check.
const fromBuild = (path: string): Promise<unknown> =>
  import(new URL(`../../dist/engine/stats/${path}`, import.meta.url).href);
const { functionRecord } = (await fromBuild("function-record.js")) as typeof Records;
const { StatsRegion } = (await fromBuild("stats-region.js")) as typeof Regions;
const { FunctionTally } = (await fromBuild("tally.js")) as typeof Tallies;

const [name = "", count = "200", rate = "4"] = process.argv.slice(2);
const startedAtMs = Date.now();
const beatOfStreamMs = 5_000;

const idOf = (index: number): string => `function-${String(index).padStart(3, "0")}`;
const quiet = { packets: 0, bytes: 0, syns: 0, drops: 0 };

/** Rows of every state; a seventh of them changes state at each round, all change their numbers. */
function viewAt(index: number, round: number): FunctionView {
  const id = idOf(index);
  const step = (index * 3 + Math.floor((round + index) / 7)) % 4;
  const jitter = ((index * 31 + round * 17) % 80) / 10;
  const change = {
    wakes: 12 + index + round,
    stateSinceMs: startedAtMs + round,
    openConnections: (index + round) % 5,
    restore: {
      count: round,
      lastMs: 6 + jitter,
      p50Ms: 7.5 + jitter / 10,
      p95Ms: 11 + jitter,
      p99Ms: 14 + jitter,
    },
    wake: {
      count: round,
      lastMs: 6.6 + jitter,
      p50Ms: 8.1 + jitter / 10,
      p95Ms: 12 + jitter,
      p99Ms: 15 + jitter,
    },
  };
  if (step === 0) return asleep(id, index, change);
  if (step === 1) return fakeFunction(id, index, { ...change, state: "Suspended" });
  const running = fakeFunction(id, index, change);
  const memoryBytes = (20 + ((index * 7 + round * 3) % 70)) * 1024 * 1024;
  return { ...running, instances: running.instances.map((each) => ({ ...each, memoryBytes })) };
}

const views = (round: number): FunctionView[] =>
  Array.from({ length: Number(count) }, (_, index) => viewAt(index, round));

const locked = acquireEngineLock({
  name,
  version: "0.0.0",
  configFile: "/srv/bench/aether.yaml",
  startedAtMs,
});
if (!locked.ok) throw locked.error;
using lock = locked.lock;

let beats = 0;
const pulse = () => ({
  heartbeatMs: Number(process.hrtime.bigint()) / 1e6,
  beats: (beats += 1),
  phase: "running" as const,
  readyCount: Number(count),
  functionCount: Number(count),
  memoryBytes: 90_000_000,
  cpuMs: 1_500,
});
using region = new StatsRegion(
  enginePaths(name).statsFile,
  {
    name,
    pid: process.pid,
    startTicks: processStartTicks(process.pid) ?? 0,
    startedAtMs,
    version: "0.0.0",
    criuVersion: "4.2.1",
    hostChanges: "",
  },
  pulse(),
);

const tally = new FunctionTally();
function publish(round: number): void {
  views(round).forEach((view, position) => {
    const record = functionRecord({ view, tally, traffic: quiet, position, cpuMsBefore: round });
    region.setFunction({ ...record, wakesSnapshot: view.wakes });
  });
  region.flush();
}

const first = fakeEngineView(views(0));
const state = { ...first, engine: { ...first.engine, name, pid: process.pid, startedAtMs } };
const server = createServer((request, response) => {
  response.setHeader(controlVersionHeader, String(controlVersion));
  if (!(request.url ?? "").startsWith("/v1/stream")) {
    response.writeHead(404).end("{}");
    return;
  }
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.write(`${JSON.stringify({ type: "hello", version: controlVersion, engine: name })}\n`);
  response.write(`${JSON.stringify({ type: "state", state })}\n`);
  const beat = setInterval(() => response.write("\n"), beatOfStreamMs);
  request.once("close", () => clearInterval(beat));
});

let round = 0;
let busy = true;
publish(round);
const heart = setInterval(() => region.beat(pulse()), heartbeatIntervalMs);
const changes = setInterval(
  () => {
    if (busy) publish((round += 1));
  },
  1_000 / Number(rate),
);

server.listen(enginePaths(name).controlSocket, () => process.stdout.write("ready\n"));
for await (const order of createInterface({ input: process.stdin })) busy = order !== "calm";
clearInterval(heart);
clearInterval(changes);
server.closeAllConnections();
server.close();
lock.release();
