/**
 * `aether bench restore`: restores from the workers started ahead, beside `criu restore` of the same image by its command
 * line, turn by turn, so that drift hits both alike. The full wake benchmark grows from this (issue 3).
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { ControlRequests } from "../../dist/client/control-requests.js";
import { restoreByCommandLine } from "./criu-command-line.ts";
import { machineFacts, quantiles } from "./machine.ts";
import type { Quantiles } from "./machine.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const criu = join(repository, ".tools/criu/bin/criu");
/** Turns of ten restores each way. */
const perTurn = 10;

interface Case {
  readonly function: string;
  readonly failures: number;
  readonly restoreMs: Quantiles;
  readonly firstByteMs: Quantiles;
  readonly baselineMs: Quantiles;
  /** Median of the command line over our median. */
  readonly ratio: number;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Milliseconds from connect to the first byte of the answer. */
function firstByte(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    let first = 0;
    const socket = connect({ port, host: "127.0.0.1" });
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer")));
    socket.once("connect", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.once("data", () => (first = performance.now() - startedAt));
    socket.once("error", reject);
    socket.once("close", () => (first > 0 ? resolve(first) : reject(new Error("closed without an answer"))));
    socket.resume();
  });
}

async function measure(n: number): Promise<Case[]> {
  const folder = mkdtempSync(join(tmpdir(), "aether-bench-"));
  const name = `bench${process.pid}`;
  const snapshotDir = `/dev/shm/${name}`;
  mkdirSync(snapshotDir, { mode: 0o700 });
  const functions = [];
  for (const [id, command] of [
    ["hello-python", "/usr/bin/python3 handler.py"],
    ["hello-node", "node handler.mjs"],
  ] as const) {
    const idle = { suspend_after: "never", snapshot_after: "never" };
    functions.push({
      id,
      command,
      cwd: join(repository, "fixtures", id),
      trigger_port: await freePort(),
      idle,
    });
  }
  const file = join(folder, "aether.yaml");
  writeFileSync(
    file,
    stringify({ version: 1, engine: { name, snapshot_dir: snapshotDir, on_violation: "serve" }, functions }),
  );
  process.env["AETHER_RUNTIME_DIR"] = join(folder, "run");
  process.env["AETHER_STATE_DIR"] = join(folder, "state");
  const engine = spawn(process.execPath, [join(repository, "dist/cli.js"), "--headless", "-c", file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = new Promise((resolve) => engine.once("close", resolve));
  const requests = new ControlRequests(name, join(folder, "run", name, "control.sock"));
  try {
    await untilRunning(requests);
    const cases: Case[] = [];
    for (const { id, trigger_port } of functions)
      cases.push(await measureOne(requests, id, trigger_port, join(snapshotDir, `aether-${name}`, id), n));
    return cases;
  } finally {
    requests[Symbol.dispose]();
    engine.kill("SIGTERM");
    await ended;
    for (const path of [folder, snapshotDir]) rmSync(path, { recursive: true, force: true });
  }
}

async function untilRunning(requests: ControlRequests): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const state = await requests.state().catch(() => null);
    if (state?.engine.phase === "running") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the engine did not come up");
}

async function measureOne(
  requests: ControlRequests,
  id: string,
  port: number,
  images: string,
  n: number,
): Promise<Case> {
  const restores: number[] = [];
  const firsts: number[] = [];
  const baseline: number[] = [];
  let failures = 0;
  while (restores.length + failures < n) {
    for (let turn = 0; turn < perTurn; turn++) {
      try {
        firsts.push(await firstByte(port));
        const { function: view } = await requests.action(id, "snapshot");
        if (view.restore.lastMs !== null) restores.push(view.restore.lastMs);
      } catch {
        failures += 1;
      }
    }
    const image = readdirSync(images).find((entry) => entry.startsWith("image-"));
    if (image !== undefined) baseline.push(...restoreByCommandLine(criu, join(images, image), perTurn));
  }
  const restoreMs = quantiles(restores);
  const baselineMs = quantiles(baseline);
  const ratio = Math.round((baselineMs.p50 / restoreMs.p50) * 100) / 100;
  return { function: id, failures, restoreMs, firstByteMs: quantiles(firsts), baselineMs, ratio };
}

const n = Number(process.argv[process.argv.indexOf("--n") + 1]) || 100;
const result = {
  bench: "restore",
  when: new Date().toISOString(),
  machine: machineFacts(criu),
  cases: await measure(n),
};
if (process.argv.includes("--json")) {
  console.log(JSON.stringify(result, null, 2));
} else {
  console.log(
    `${result.machine.cpu}, ${result.machine.cores} cores, Linux ${result.machine.kernel}, CRIU ${result.machine.criu}, n = ${n}\n`,
  );
  console.log(
    "function      restore p50    p99   first byte p50    p99   criu restore p50    p99   ratio   failures",
  );
  for (const entry of result.cases) {
    const ms = (value: number, width: number): string => value.toFixed(1).padStart(width);
    console.log(
      `${entry.function.padEnd(13)}${ms(entry.restoreMs.p50, 12)}${ms(entry.restoreMs.p99, 7)}${ms(entry.firstByteMs.p50, 17)}${ms(entry.firstByteMs.p99, 7)}${ms(entry.baselineMs.p50, 19)}${ms(entry.baselineMs.p99, 7)}${entry.ratio.toFixed(2).padStart(8)}${String(entry.failures).padStart(11)}`,
    );
  }
}
