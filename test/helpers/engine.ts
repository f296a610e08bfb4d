/** An engine for a test: the real binary, headless, with folders, a name and ports of its own; nothing of it remains. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { ControlRequests } from "../../src/client/control-requests.ts";
import type { FunctionAction } from "../../src/protocol/control.ts";
import type { EngineEvent } from "../../src/protocol/events.ts";
import type { EngineView, FunctionView } from "../../src/protocol/views.ts";

export const repository = fileURLToPath(new URL("../../", import.meta.url));
export const fixture = (name: string): string => join(repository, "fixtures", name);
const cli = join(repository, "dist/cli.js");

let counter = 0;

/**
 * Ports below those that the kernel gives to outgoing connections: none of these takes a port between its choice and its
 * use. Each process that runs test files has a part of them, no port comes twice, and the one after it stays free:
 * a fixture listens there.
 */
const [lowestPort, highestPort, parts] = [10_000, 32_000, 4];
const partSize = (highestPort - lowestPort) / parts;
const part = Number(process.env["VITEST_POOL_ID"] ?? 0) % parts;
let nextPort = (process.pid * 262) % partSize;

/** Whether nobody listens there, at any address. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** A port nobody uses right now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < partSize; tries += 2) {
    nextPort = (nextPort + 2) % partSize;
    const port = lowestPort + part * partSize + nextPort;
    if (await isFree(port)) return port;
  }
  throw new Error("no port is free");
}

/** A declaration as it stands in aether.yaml. */
export type Declaration = Readonly<Record<string, unknown>> & { readonly id: string };

export interface TestEngineOptions {
  readonly functions: readonly Declaration[];
  readonly engine?: Readonly<Record<string, unknown>>;
  /** Resolve when all functions were brought to their first states (default), or once the socket accepts. */
  readonly until?: "ready" | "started";
  /** A process whose network namespace it runs in. */
  readonly neighbour?: number;
  /** Folders and name of an earlier engine, to start as its successor. */
  readonly after?: TestEngine;
}

export class TestEngine implements AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  readonly configFile: string;
  readonly events: EngineEvent[] = [];
  /** What it printed that is no JSON line. */
  stderr = "";
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly child: ChildProcess;
  readonly #requests: ControlRequests;
  readonly #waiting = new Set<() => void>();

  private constructor(name: string, folder: string, configFile: string, neighbour: number | null) {
    this.name = name;
    this.folder = folder;
    this.configFile = configFile;
    const words = [process.execPath, cli, "--headless", "--json", "-c", configFile];
    if (neighbour !== null) words.unshift("nsenter", "-n", "-t", String(neighbour));
    this.child = spawn(words[0] ?? "", words.slice(1), {
      env: this.env,
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exited = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        if (process.env["AETHER_TEST_VERBOSE"] !== undefined)
          process.stderr.write(`engine ended: ${code ?? signal}\n${this.stderr}\n`);
        resolve({ code, signal });
        this.#wake();
      });
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    if (this.child.stdout !== null)
      createInterface({ input: this.child.stdout }).on("line", (line) => this.#line(line));
    this.#requests = new ControlRequests(name, join(folder, "run", name, "control.sock"));
  }

  /** Environment of verbs that are to find this engine. */
  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      AETHER_RUNTIME_DIR: join(this.folder, "run"),
      AETHER_STATE_DIR: join(this.folder, "state"),
    };
  }

  get snapshotRoot(): string {
    return join("/dev/shm", `${this.name}-images`, `aether-${this.name}`);
  }

  get statsFile(): string {
    return `/dev/shm/aether-${this.name}.stats`;
  }

  /** @throws Error when it is not ready in time, or ends before; nothing of it is left then */
  static async start(options: TestEngineOptions): Promise<TestEngine> {
    counter += 1;
    const name = options.after?.name ?? `t${process.pid}x${counter}`;
    const folder = options.after?.folder ?? mkdtempSync(join(tmpdir(), "aether-"));
    const configFile = join(folder, "aether.yaml");
    writeConfig(configFile, { ...ownEngine(name), ...options.engine }, options.functions);
    mkdirSync(`/dev/shm/${name}-images`, { recursive: true, mode: 0o700 });
    const engine = new TestEngine(name, folder, configFile, options.neighbour ?? null);
    const total = options.functions.length;
    try {
      await engine.waitFor(
        (event) => (options.until === "started" ? true : event.type === "progress" && event.ready === total),
        "the engine to be ready",
        30_000,
      );
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
    return engine;
  }

  #line(line: string): void {
    try {
      const message: unknown = JSON.parse(line);
      if (isEventLine(message)) this.events.push(message.event);
    } catch {
      this.stderr += `${line}\n`;
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Waits for an event, one that has come already included. */
  async waitFor(
    test: (event: EngineEvent) => boolean,
    what: string,
    timeoutMs = 10_000,
    from = 0,
  ): Promise<EngineEvent> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.events.slice(from).find(test);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || Date.now() > deadline) {
        throw new Error(
          `waited in vain for ${what}\n${this.stderr}\n${this.events.map((event) => JSON.stringify(event)).join("\n")}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, 100);
        const waiting = this.#waiting;
        function done(): void {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
  }

  action(
    functionId: string,
    action: FunctionAction,
  ): Promise<{ function: FunctionView; durationMs: number }> {
    return this.#requests.action(functionId, action);
  }

  state(): Promise<EngineView> {
    return this.#requests.state();
  }

  async function(id: string): Promise<FunctionView> {
    const found = (await this.state()).functions.find((view) => view.id === id);
    if (found === undefined) throw new Error(`no function ${id}`);
    return found;
  }

  /** Waits until a function is in a state with nothing under way. */
  async settled(id: string, state: FunctionView["state"], timeoutMs = 10_000): Promise<FunctionView> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const view = await this.function(id);
      if (view.state === state && view.activity === null) return view;
      if (Date.now() > deadline)
        throw new Error(
          `${id} is ${view.state} (${view.activity ?? "at rest"}), not ${state}\n${this.stderr}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Rewrites the configuration file, as an editor would. */
  rewrite(functions: readonly Declaration[], engine: Readonly<Record<string, unknown>> = {}): void {
    writeConfig(this.configFile, { ...ownEngine(this.name), ...engine }, functions);
  }

  /** Ends it in order; returns its exit. */
  async stop(
    signal: NodeJS.Signals = "SIGTERM",
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return await this.exited;
  }

  /** Everything of this engine that is still on the machine: processes, cgroups, shared memory, runtime files. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
      try {
        const environ = readFileSync(`/proc/${pid}/environ`, "utf8");
        const cgroup = readFileSync(`/proc/${pid}/cgroup`, "utf8");
        if (
          cgroup.includes(`aether-${this.name}`) ||
          (environ.includes(this.folder) && Number(pid) !== process.pid)
        )
          found.push(`process ${pid}`);
      } catch {
        continue; // Ended meanwhile.
      }
    }
    for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory"]) {
      if (existsSync(`${root}/aether-${this.name}`)) found.push(`${root}/aether-${this.name}`);
    }
    for (const file of [this.statsFile, `${this.statsFile}.new`]) if (existsSync(file)) found.push(file);
    if (existsSync(this.snapshotRoot)) found.push(this.snapshotRoot);
    if (existsSync(join(this.folder, "run", this.name))) found.push(join(this.folder, "run", this.name));
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(`/dev/shm/${this.name}-images`, { recursive: true, force: true });
  }
}

/** Settings that keep engines apart. Metrics are off: their port is one of the machine, and tests share it. */
function ownEngine(name: string): Readonly<Record<string, unknown>> {
  return { name, snapshot_dir: `/dev/shm/${name}-images`, on_violation: "serve", metrics: "off" };
}

function writeConfig(
  file: string,
  engine: Readonly<Record<string, unknown>>,
  functions: readonly Declaration[],
): void {
  writeFileSync(file, stringify({ version: 1, engine, functions }));
}

function isEventLine(value: unknown): value is { type: "event"; event: EngineEvent } {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    value.type === "event" &&
    "event" in value
  );
}
