/** In place of src/engine/worker.ts: the first letters of the engine's name say how it behaves. */
import { parentPort } from "node:worker_threads";
import { startControlServer } from "../../src/engine/api/server.ts";
import { acquireEngineLock } from "../../src/engine/lock.ts";
import type { EngineLock } from "../../src/engine/lock.ts";
import type { EngineOrder, EngineReport } from "../../src/engine/worker-messages.ts";
import { AetherError } from "../../src/protocol/errors.ts";
import { enginePaths } from "../../src/protocol/paths.ts";
import { FakeCore } from "./fake-core.ts";

const port = parentPort;
if (port === null) throw new Error("this is a worker");
const report = (message: EngineReport): void => port.postMessage(message);
let lock: EngineLock | null = null;
let stop: (reason: string) => Promise<void> = () => Promise.resolve();

async function start(name: string, configFile: string | null): Promise<void> {
  if (name.startsWith("invalid")) {
    const problem = {
      code: "AE_CONFIG_MISSING_FIELD",
      file: "/srv/aether.yaml",
      line: 3,
      column: 5,
      path: "functions[0].id",
      text: "",
      message: "id is missing",
      hint: null,
    } as const;
    report({ type: "config-invalid", problems: [problem] });
    port?.close();
    return;
  }
  if (name.startsWith("broken")) throw new TypeError("a defect");
  if (name.startsWith("silent")) return;
  if (name.startsWith("exit")) process.exit(5);
  const taken = acquireEngineLock({ name, version: "0.1.0", configFile, startedAtMs: Date.now() });
  if (!taken.ok) {
    report({ type: "fatal", error: taken.error.toJSON() });
    port?.close();
    return;
  }
  lock = taken.lock;
  const core = new FakeCore(name);
  const server = await startControlServer({ core, path: enginePaths(name).controlSocket });
  core.eventLog.append({ type: "progress", ready: 2, total: 2 });
  core.onShutdown = () => void setTimeout(() => void stop("shutdown"), 20);
  stop = async (reason) => {
    if (name.startsWith("stubborn")) return;
    process.stderr.write(`stopping: ${reason}\n`);
    await server.close();
    lock?.release();
    report({ type: "stopped" });
    port?.close();
  };
  report({ type: "started", name, controlSocket: server.path, epollNumber: null });
  if (name.startsWith("dies")) {
    const die = (): void => {
      lock?.release();
      report({ type: "fatal", error: new AetherError("AE_LAUNCHER_LOST", "the launcher ended").toJSON() });
      process.exit(1);
    };
    if (name === "dies-at-once") die();
    else setTimeout(die, 100);
  }
}

port.on("message", (order: EngineOrder) => {
  if (order.type === "start") void start(order.engineName ?? "default", order.configFile);
  else void stop(order.reason);
});
