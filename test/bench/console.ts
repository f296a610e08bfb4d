/**
 * `aether bench console`: what the console costs at 160x50 while 200 functions change four times a second, what it costs
 * when nothing changes, and how soon the first frame is there. Beside htop and btop, which show as many processes.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { benchArguments } from "./arguments.ts";
import { repository } from "./bench-engine.ts";
import { columns, firstFrameMs, InTerminal, rows, sleep, terminalEnvironment } from "./in-terminal.ts";
import { quantiles } from "./machine.ts";

const functions = 200;
const changesPerSecond = 4;
const settleMs = 3_000;
/** Some seconds after the last change V8 tidies its heap, once; at rest is what comes after that. */
const restMs = 15_000;
const observedMs = 10_000;
/** What the console promises (issue: "Done means"). */
const limits = { busyCpuPercent: 10, idleCpuPercent: 1, rssBytes: 200_000_000, firstFrameMs: 600 };
/** A frame of a program whose texts are not known: it has filled a good part of the screen. */
const frameChars = 2_000;

const folder = mkdtempSync(join(tmpdir(), "aether-bench-console-"));
process.env["AETHER_RUNTIME_DIR"] = join(folder, "run");
process.env["AETHER_STATE_DIR"] = join(folder, "state");

/** An engine that is nothing but its publications, in a process of its own: the console's is measured. */
class Publisher implements AsyncDisposable {
  readonly name = `bench${process.pid}`;
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;

  constructor() {
    const program = fileURLToPath(new URL("console-engine.ts", import.meta.url));
    const args = [program, this.name, String(functions), String(changesPerSecond)];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#ready = new Promise((resolve, reject) => {
      this.#child.stdout?.once("data", () => resolve());
      this.#child.once("exit", (code) => reject(new Error(`the publisher ended with ${code}`)));
    });
  }

  get ready(): Promise<void> {
    return this.#ready;
  }

  order(order: "busy" | "calm"): void {
    this.#child.stdin?.write(`${order}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}

async function repeated(times: number, once: () => Promise<number>): Promise<readonly number[]> {
  const found: number[] = [];
  for (let index = 0; index < times; index += 1) found.push(await once());
  return found;
}

async function measureConsole(times: number) {
  await using publisher = new Publisher();
  await publisher.ready;
  const env = terminalEnvironment();
  const command = [process.execPath, join(repository, "dist/cli.js"), "--engine", publisher.name];
  const frames = await repeated(times, () =>
    firstFrameMs(command, env, (written) => written.includes("function-000")),
  );
  using terminal = new InTerminal(command, env);
  await sleep(settleMs);
  if (!terminal.screen().includes("function-000")) throw new Error(`no console:\n${terminal.screen()}`);
  const before = terminal.screen();
  const busy = await terminal.usage(observedMs);
  if (terminal.screen() === before) throw new Error("nothing changed on the screen");
  publisher.order("calm");
  await sleep(restMs);
  const idle = await terminal.usage(observedMs);
  return { busy, idle, firstFrameMs: quantiles(frames) };
}

/** From the search path, or from a folder that holds unpacked packages: nothing is installed here. */
function findProgram(name: string): string | null {
  const unpacked = join(repository, ".tools/peers/usr/bin");
  for (const each of [...(process.env["PATH"] ?? "").split(delimiter), unpacked]) {
    const path = join(each, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue; // not there
    }
  }
  return null;
}

async function measurePeer(name: "htop" | "btop", times: number) {
  const program = findProgram(name);
  if (program === null)
    return { skipped: `${name} is not on this machine (neither in PATH nor in .tools/peers)` };
  const env = terminalEnvironment({ HOME: folder, XDG_CONFIG_HOME: folder });
  const frames = await repeated(times, () =>
    firstFrameMs([program], env, (written) => written.length > frameChars),
  );
  using terminal = new InTerminal([program], env);
  await sleep(settleMs);
  return {
    interval: "its default",
    usage: await terminal.usage(observedMs),
    firstFrameMs: quantiles(frames),
  };
}

/** As many processes for the peers to show as the console shows functions. */
async function withSleepers<T>(run: () => Promise<T>): Promise<T> {
  const sleepers = Array.from({ length: functions }, () => spawn("sleep", ["600"], { stdio: "ignore" }));
  try {
    return await run();
  } finally {
    for (const each of sleepers) each.kill("SIGKILL");
  }
}

const { n, json } = benchArguments(10);
try {
  const when = new Date().toISOString();
  const measured = await measureConsole(n);
  const peers = await withSleepers(async () => ({
    htop: await measurePeer("htop", n),
    btop: await measurePeer("btop", n),
  }));
  const met = {
    busyCpu: measured.busy.cpuPercent < limits.busyCpuPercent,
    idleCpu: measured.idle.cpuPercent < limits.idleCpuPercent,
    memory: measured.busy.peakRssBytes < limits.rssBytes,
    firstFrame: measured.firstFrameMs.p90 < limits.firstFrameMs,
  };
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
  };
  const scene = { columns, rows, functions, changesPerSecond, observedMs };
  const result = { bench: "console", when, machine, scene, limits, met, console: measured, peers };
  if (json) console.log(JSON.stringify(result, null, 2));
  else {
    const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
    const { busy, idle, firstFrameMs: frame } = measured;
    console.log(`changing: ${busy.cpuPercent} % of a processor, ${mb(busy.peakRssBytes)}`);
    console.log(`idle: ${idle.cpuPercent} %`);
    console.log(`first frame: ${frame.p50} ms, p90 ${frame.p90} ms of ${frame.n}`);
    for (const [name, peer] of Object.entries(peers)) {
      console.log(
        peer.usage === undefined
          ? `${name}: skipped: ${peer.skipped}`
          : `${name}: ${peer.usage.cpuPercent} %, ${mb(peer.usage.peakRssBytes)}, first frame ${peer.firstFrameMs.p50} ms`,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
