/**
 * `aether bench xdp`: packets a second received, sent and forwarded over veth in copy mode, by our library, by a C program
 * on libxdp that takes the same steps, and by AF_PACKET in C. Run by run in turn, so that drift hits all alike. The network
 * namespace is its own; the generator has a processor to itself where there are two.
 */
import { execFileSync, fork, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { modes } from "./xdp-order.ts";
import type { Mode, RunOrder, RunResult } from "./xdp-order.ts";

const here = fileURLToPath(new URL("./", import.meta.url));
const object = fileURLToPath(new URL("../../build/bpf/xsk.bpf.o", import.meta.url));
const batches = [1, 8, 32, 64, 256] as const;
const runMs = 100;
const leastRounds = 9;
const namespace = `aether-bench-${process.pid}`;

const ways = ["engine", "raw", "libxdp", "packet"] as const;
type Way = (typeof ways)[number];

interface Case {
  readonly mode: Mode;
  readonly batch: number;
  readonly n: number;
  /** Median packets a second; null where the way does not do it. */
  readonly packetsPerSecond: Readonly<Record<Way, number | null>>;
  /** Median of the quotients of runs of the same round. */
  readonly engineToLibxdp: number | null;
  readonly rawToLibxdp: number;
}

const ip = (...args: readonly string[]): string => execFileSync("ip", args, { encoding: "utf8" });
const pinned = (cpu: number): string[] => (cpus().length > 1 ? ["taskset", "-c", String(cpu)] : []);

function inNamespace(cpu: number, ...command: readonly string[]): string[] {
  return ["netns", "exec", namespace, ...pinned(cpu), ...command];
}

/** The C program's run: one process. */
function runBaseline(program: string, way: "libxdp" | "packet", mode: Mode, batch: number): number {
  const command = inNamespace(0, program, way, mode, "xa", String(batch), String(runMs), object);
  // libxdp writes a line for every try that finds the queue busy.
  const out = execFileSync("ip", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const [packets = 0, ns = 1] = out.split(" ").map(Number);
  return (packets / ns) * 1e9;
}

async function runOurs(runner: ChildProcess, order: RunOrder): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const onExit = (): void => reject(new Error("the runner ended"));
  runner.once("message", (result: RunResult) => resolve(result));
  runner.once("exit", onExit);
  runner.send(order);
  const { packets, ns } = await promise;
  runner.off("exit", onExit);
  return (packets / ns) * 1e9;
}

/** Packets come to `xa` while it runs. */
async function withGenerator<T>(program: string, act: () => Promise<T>): Promise<T> {
  const command = inNamespace(1, program, "libxdp", "gen", "xb", "64", "0", object);
  const generator = spawn("ip", command, { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise((resolve) => generator.once("close", resolve));
  try {
    return await act();
  } finally {
    generator.stdin.end();
    await ended;
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

async function measureMode(
  program: string,
  runner: ChildProcess,
  mode: Mode,
  rates: Map<string, number[]>,
): Promise<void> {
  for (const batch of batches) {
    for (const way of ways) {
      if (way === "engine" && mode === "tx") continue;
      const rate =
        way === "engine" || way === "raw"
          ? await runOurs(runner, { way, mode, namespace: `/run/netns/${namespace}`, batch, ms: runMs })
          : runBaseline(program, way, mode, batch);
      const key = `${mode} ${batch} ${way}`;
      rates.set(key, [...(rates.get(key) ?? []), rate]);
    }
  }
}

function summarize(rates: ReadonlyMap<string, readonly number[]>): Case[] {
  return modes.flatMap((mode) =>
    batches.map((batch): Case => {
      const of = (way: Way): readonly number[] => rates.get(`${mode} ${batch} ${way}`) ?? [];
      const rate = (way: Way): number | null => (of(way).length === 0 ? null : Math.round(median(of(way))));
      const quotient = (way: Way): number =>
        Math.round(median(of(way).map((value, at) => value / (of("libxdp")[at] ?? Number.NaN))) * 1000) /
        1000;
      return {
        mode,
        batch,
        n: of("libxdp").length,
        packetsPerSecond: {
          engine: rate("engine"),
          raw: rate("raw"),
          libxdp: rate("libxdp"),
          packet: rate("packet"),
        },
        engineToLibxdp: of("engine").length === 0 ? null : quotient("engine"),
        rawToLibxdp: quotient("raw"),
      };
    }),
  );
}

async function measure(rounds: number): Promise<Case[]> {
  const folder = mkdtempSync(join(tmpdir(), "aether-bench-"));
  const program = join(folder, "xdp-baseline");
  execFileSync("gcc", ["-O2", "-o", program, join(here, "xdp-baseline.c"), "-lxdp", "-lbpf"]);
  ip("netns", "add", namespace);
  const runner = fork(join(here, "xdp-runner.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ended = new Promise((resolve) => runner.once("close", resolve));
  try {
    if (cpus().length > 1) execFileSync("taskset", ["-acp", "0", String(runner.pid)], { stdio: "ignore" });
    execFileSync("ip", inNamespace(0, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"));
    ip("-n", namespace, "link", "add", "xa", "type", "veth", "peer", "name", "xb");
    for (const device of ["xa", "xb"]) ip("-n", namespace, "link", "set", device, "up");
    const rates = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++) {
      await measureMode(program, runner, "tx", rates);
      await withGenerator(program, async () => {
        await measureMode(program, runner, "rx", rates);
        await measureMode(program, runner, "l2fwd", rates);
      });
    }
    return summarize(rates);
  } finally {
    runner.kill();
    await ended;
    ip("netns", "del", namespace);
    rmSync(folder, { recursive: true, force: true });
  }
}

const asked = Number(process.argv[process.argv.indexOf("--n") + 1]) || leastRounds;
const rounds = Math.max(leastRounds, asked);
const result = {
  bench: "xdp",
  when: new Date().toISOString(),
  machine: {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
  },
  device: "veth, copy mode, 60-byte packets",
  runMs,
  cases: await measure(rounds),
};
if (process.argv.includes("--json")) {
  console.log(JSON.stringify(result, null, 2));
} else {
  console.log(
    `${result.machine.cpu}, ${result.machine.cores} cores, Linux ${result.machine.kernel}, ${result.device}\n`,
  );
  console.log("mode   batch     engine        raw     libxdp  AF_PACKET   engine/libxdp  raw/libxdp   n");
  for (const { mode, batch, n, packetsPerSecond, engineToLibxdp, rawToLibxdp } of result.cases) {
    const rate = (way: Way): string => String(packetsPerSecond[way] ?? "-").padStart(11);
    console.log(
      `${mode.padEnd(6)}${String(batch).padStart(6)}${ways.map(rate).join("")}${String(engineToLibxdp ?? "-").padStart(16)}${String(rawToLibxdp).padStart(12)}${String(n).padStart(4)}`,
    );
  }
}
