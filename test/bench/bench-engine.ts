/** An engine for a benchmark: headless, with folders, a name and ports of its own; nothing of it remains. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
// The package brings no sources: what runs comes from the build, types alone from beside it.
import { ControlRequests } from "../../dist/client/control-requests.js";
import type { ControlRequests as Requests } from "../../src/client/control-requests.ts";

export const repository = fileURLToPath(new URL("../../", import.meta.url));
export const criuBinary = join(repository, ".tools/criu/bin/criu");

/** A function never sleeps by itself: the benchmark says when. */
export const restless = { suspend_after: "never", snapshot_after: "never" } as const;

/** Ports that are free now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Server>((resolve, reject) => {
          const server = createServer().once("error", reject);
          server.listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export class BenchEngine implements AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  readonly snapshotDir: string;
  #child: ChildProcess | null = null;
  readonly requests: Pick<Requests, "state" | "action" | "wakes" | typeof Symbol.dispose>;

  constructor() {
    this.name = `bench${process.pid}`;
    this.folder = mkdtempSync(join(tmpdir(), "aether-bench-"));
    this.snapshotDir = `/dev/shm/${this.name}`;
    mkdirSync(this.snapshotDir, { mode: 0o700 });
    process.env["AETHER_RUNTIME_DIR"] = join(this.folder, "run");
    process.env["AETHER_STATE_DIR"] = join(this.folder, "state");
    this.requests = new ControlRequests(this.name, join(this.folder, "run", this.name, "control.sock"));
  }

  /** Host process id. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it and resolves when every function has been brought to its first state; rejects at the deadline. */
  async start(functions: readonly object[], engine: object = {}, deadlineMs = 120_000): Promise<void> {
    const file = join(this.folder, "aether.yaml");
    const common = { name: this.name, snapshot_dir: this.snapshotDir, on_violation: "serve", metrics: "off" };
    writeFileSync(file, stringify({ version: 1, engine: { ...common, ...engine }, functions }));
    this.#child = spawn(process.execPath, [join(repository, "dist/cli.js"), "--headless", "-c", file], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    for (const end = Date.now() + deadlineMs; Date.now() < end;) {
      if (this.#child.exitCode !== null) break;
      const state = await this.requests.state().catch(() => null);
      if (state?.engine.phase === "running") return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the engine did not come up");
  }

  /** Waits until the next wakes of these functions are restored up to their first instruction. Rejects at the deadline. */
  async restoredAhead(ids: readonly string[], deadlineMs = 10_000): Promise<void> {
    for (const end = Date.now() + deadlineMs; Date.now() < end;) {
      const { functions } = await this.requests.state();
      const ready = functions.filter(({ restoredAhead }) => restoredAhead).map(({ id }) => id);
      if (ids.every((id) => ready.includes(id))) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not restored ahead: ${ids.join(", ")}`);
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.requests[Symbol.dispose]();
    await this.stop();
    for (const path of [this.folder, this.snapshotDir]) rmSync(path, { recursive: true, force: true });
  }
}
