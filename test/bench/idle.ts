/**
 * `aether bench idle`: what a thousand sleeping functions cost, each with an image of its own. They use no processor time,
 * and no memory but their images, the engine's records, and the restores prepared for some of them.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { benchArguments } from "./arguments.ts";
import { BenchEngine, criuBinary, freePorts, restless } from "./bench-engine.ts";
import { machineFacts } from "./machine.ts";

const observedMs = 60_000;
const startDeadlineMs = 1_200_000;
const clockTicks = 100; // USER_HZ

/** Processor time of a process, ms (proc(5), stat fields 14 and 15). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / clockTicks;
}

function kib(pid: number, file: string, name: string): number {
  return Number(
    new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0,
  );
}

/** Everything below the engine: launcher, inits, CRIU workers. */
function descendants(pid: number): number[] {
  const found: number[] = [pid];
  for (const each of found) {
    for (const task of readdirSync(`/proc/${each}/task`)) {
      const children = readFileSync(`/proc/${each}/task/${task}/children`, "utf8").split(" ");
      found.push(...children.filter((child) => child !== "").map(Number));
    }
  }
  return found.slice(1);
}

async function measure(count: number) {
  await using engine = new BenchEngine();
  const program = join(engine.folder, "server");
  const source = fileURLToPath(new URL("idle-server.c", import.meta.url));
  execFileSync("gcc", ["-O2", "-o", program, source]);
  const functions = (await freePorts(count)).map((port, index) => ({
    id: `f${index}`,
    command: [program, port],
    cwd: engine.folder,
    trigger_port: port,
    ready: { http: "/" },
    idle: restless,
  }));
  const startedAt = performance.now();
  await engine.start(functions, { keep_snapshots: true }, startDeadlineMs);
  const firstStartMs = performance.now() - startedAt;
  // The second start finds the images and takes them over.
  await engine.stop();
  const againAt = performance.now();
  await engine.start(functions, { keep_snapshots: true }, startDeadlineMs);
  const adoptingStartMs = performance.now() - againAt;
  // Checksums and the like come after the start.
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const view = await engine.requests.state();
  const awake = view.functions.filter(({ state }) => state !== "WarmSnapshot");
  const failures = awake.map(({ id, state, lastError }) => ({ id, state, error: lastError }));
  const prepared = view.functions.reduce((sum, each) => sum + each.prepared, 0);
  const before = cpuMs(engine.pid);
  await new Promise((resolve) => setTimeout(resolve, observedMs));
  const usedMs = cpuMs(engine.pid) - before;
  const helpers = descendants(engine.pid);
  const helpersPssKib = helpers.reduce((sum, pid) => sum + kib(pid, "smaps_rollup", "Pss"), 0);
  const imageBytes = view.functions.reduce((sum, each) => sum + (each.snapshot?.sizeBytes ?? 0), 0);
  return {
    functions: count,
    asleep: count - failures.length,
    failures,
    firstStartMs: Math.round(firstStartMs),
    adoptingStartMs: Math.round(adoptingStartMs),
    observedMs,
    engineCpuMs: usedMs,
    engineCpuPercent: Math.round((usedMs / observedMs) * 10_000) / 100,
    engineRssBytes: kib(engine.pid, "status", "VmRSS") * 1024,
    engineBytesPerFunction: Math.round((kib(engine.pid, "status", "VmRSS") * 1024) / count),
    imageBytesPerFunction: Math.round(imageBytes / count),
    prepared,
    helperProcesses: helpers.length,
    preparedBytesEach: prepared === 0 ? 0 : Math.round((helpersPssKib * 1024) / prepared),
  };
}

const { n, json } = benchArguments(1_000);
const when = new Date().toISOString();
const result = { bench: "idle", when, machine: machineFacts(criuBinary), ...(await measure(n)) };
if (json) console.log(JSON.stringify(result, null, 2));
else {
  const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
  console.log(
    `${result.asleep} of ${result.functions} functions asleep, ${result.prepared} with a wake prepared`,
  );
  for (const { id, state, error } of result.failures)
    console.log(`${id} is ${state}: ${error === null ? "no error" : `${error.what}: ${error.why}`}`);
  console.log(
    `start: ${(result.firstStartMs / 1000).toFixed(1)} s making images, ${(result.adoptingStartMs / 1000).toFixed(1)} s taking them over`,
  );
  console.log(`engine: ${result.engineCpuPercent} % of a processor, ${mib(result.engineRssBytes)}`);
  console.log(
    `each: image ${mib(result.imageBytesPerFunction)}, prepared wake ${mib(result.preparedBytesEach)}`,
  );
}
