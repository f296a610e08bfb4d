/** Runs the command line as a user would, with engines of its own folder; a fake worker stands in for the engine. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startControlServer } from "../../src/engine/api/server.ts";
import { processStartTicks } from "../../src/protocol/process-start.ts";
import { mkdir, writeFile } from "node:fs/promises";
import { FakeCore } from "./fake-core.ts";
import { pulseNow, testRegion } from "./stats-region.ts";
import type { StatsRegion } from "../../src/engine/stats/stats-region.ts";

const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const worker = new URL("./fake-core-worker.ts", import.meta.url).href;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliHome extends AsyncDisposable {
  readonly dir: string;
  /** Starts `aether ...args` in the folder; `output` grows as it prints. */
  start(...args: string[]): {
    readonly child: ChildProcess;
    readonly output: () => string;
    readonly result: Promise<CliResult>;
  };
  run(...args: string[]): Promise<CliResult>;
  /** An engine in this process, found by its lock file as any other. */
  serve(name: string): Promise<{
    readonly core: FakeCore;
    /** Its shared memory: empty until a test fills it. */
    readonly region: StatsRegion;
    close(): Promise<void>;
  }>;
}

export async function cliHome(env: Record<string, string> = {}): Promise<CliHome> {
  const dir = await mkdtemp(join(tmpdir(), "aether-cli-"));
  const children = new Set<ChildProcess>();
  const closers: (() => Promise<void>)[] = [];
  const start: CliHome["start"] = (...args) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", cli, ...args], {
      cwd: dir,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        AETHER_RUNTIME_DIR: join(dir, "run"),
        AETHER_STATE_DIR: join(dir, "state"),
        AETHER_SHM_DIR: dir,
        AETHER_TEST_WORKER: worker,
        ...env,
      },
    });
    children.add(child);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const result = once(child, "close").then(() => {
      children.delete(child);
      return { code: child.exitCode, stdout, stderr };
    });
    return { child, output: () => stdout + stderr, result };
  };
  return {
    dir,
    start,
    run: (...args) => start(...args).result,
    async serve(name) {
      const core = new FakeCore(name);
      const folder = join(dir, "run", name);
      await mkdir(folder, { recursive: true });
      const server = await startControlServer({ core, path: join(folder, "control.sock") });
      const record = {
        name,
        pid: process.pid,
        startTicks: processStartTicks(process.pid),
        startedAtMs: 1000,
        version: "0.1.0",
        configFile: null,
      };
      await writeFile(join(folder, "engine.json"), JSON.stringify(record));
      const region = testRegion(join(dir, `aether-${name}.stats`), name);
      const beat = setInterval(() => region.beat(pulseNow()), 100);
      const close = async (): Promise<void> => {
        clearInterval(beat);
        region[Symbol.dispose]();
        await rm(join(folder, "engine.json"), { force: true });
        await server.close();
      };
      core.onShutdown = () => void setTimeout(() => void close(), 20);
      closers.push(close);
      return { core, region, close };
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      for (const child of children) child.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
