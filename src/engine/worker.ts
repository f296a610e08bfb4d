/** The engine's thread: from the order to start to the last clean-up (worker-messages.ts). */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import type { AetherConfig } from "../protocol/config.ts";
import { AetherError, toAetherError } from "../protocol/errors.ts";
import { enginePaths, runtimeRoot } from "../protocol/paths.ts";
import { startControlServer } from "./api/server.ts";
import type { ControlServer } from "./api/server.ts";
import { loadConfig } from "./config/load.ts";
import { watchConfig } from "./config/watch.ts";
import { Engine, snapshotRootOf } from "./engine.ts";
import { acquireEngineLock, otherEnginesRunning } from "./lock.ts";
import type { EngineLock } from "./lock.ts";
import { packagePaths, packageVersion } from "./package-paths.ts";
import { adoptImages } from "./snapshot/adopt.ts";
import { findCriu } from "./snapshot/criu-tools.ts";
import { enableMigration, restoreSettings } from "./wake/host-settings.ts";
import type { EngineOrder, EngineReport } from "./worker-messages.ts";

if (parentPort === null) throw new AetherError("AE_INTERNAL", "the engine runs in a thread of its own");
const port = parentPort;
const report = (message: EngineReport): void => port.postMessage(message);

type StartOrder = Extract<EngineOrder, { type: "start" }>;

interface Running {
  readonly engine: Engine;
  readonly server: ControlServer;
  readonly lock: EngineLock;
  readonly watcher: AsyncDisposable | null;
}

let running: Running | null = null;
let stopping = false;

function readConfig(order: StartOrder): AetherConfig | null {
  const loaded =
    order.inline === null
      ? loadConfig(order.configFile ?? "aether.yaml", { checkPorts: true, ownPorts: new Set() })
      : { ok: true as const, config: order.inline };
  if (!loaded.ok) {
    report({ type: "config-invalid", problems: loaded.problems });
    return null;
  }
  const { config } = loaded;
  return order.engineName === null ? config : { ...config, engine: { ...config.engine, name: order.engineName } };
}

async function start(order: StartOrder): Promise<void> {
  const config = readConfig(order);
  if (config === null) return end();
  const version = packageVersion();
  const startedAtMs = Date.now();
  const { name } = config.engine;
  const locked = acquireEngineLock({ name, version, configFile: config.file, startedAtMs });
  if (!locked.ok) throw locked.error;
  const { lock } = locked;
  try {
    running = await bringUp(config, lock, version, startedAtMs);
  } catch (error) {
    lock.release();
    throw error;
  }
  report({ type: "started", name, controlSocket: running.server.path });
}

async function bringUp(config: AetherConfig, lock: EngineLock, version: string, startedAtMs: number): Promise<Running> {
  const { name } = config.engine;
  const criu = findCriu(packagePaths.tools);
  const { images, refused } = await adoptImages(snapshotRootOf(config), config, {
    criuVersion: criu.version,
    engineVersion: version,
  });
  removeStaleTmp(name, images);
  const hostChanges = enableMigration(runtimeRoot());
  const engine = new Engine({
    config,
    version,
    startedAtMs,
    criu,
    adopted: images,
    hostChanges,
    onFatal: (error) => void fail(error),
    onShutdown: () => void stop(),
    onConfigFile: (file) => lock.setConfigFile(file),
  });
  try {
    for (const { functionId, why } of refused) {
      engine.emit({ type: "notice", functionId, text: `an earlier snapshot is not adopted: ${why}` });
    }
    for (const change of hostChanges) engine.emit({ type: "notice", functionId: null, text: `host setting changed: ${change}` });
    await engine.start();
    const server = await startControlServer({ core: engine, path: enginePaths(name).controlSocket });
    const watcher =
      config.file === null ? null : await watchConfig(config.file, () => void engine.reload().catch(() => undefined));
    return { engine, server, lock, watcher };
  } catch (error) {
    await engine.abandon();
    leaveHost(name);
    throw error;
  }
}

/** Private /tmp folders of an engine that was killed; what an adopted image has open in its own stays. */
function removeStaleTmp(name: string, adopted: Readonly<Record<string, unknown>>): void {
  const folder = `${enginePaths(name).stateDir}/tmp`;
  for (const id of existsSync(folder) ? readdirSync(folder) : []) {
    if (adopted[id] === undefined) rmSync(`${folder}/${id}`, { recursive: true, force: true });
  }
}

/** Puts back what was changed on the host, when no other engine needs it, and removes the runtime folder. */
function leaveHost(name: string): void {
  if (!otherEnginesRunning(name)) restoreSettings(runtimeRoot());
  const { runtimeDir, stateDir } = enginePaths(name);
  rmSync(`${stateDir}/tmp`, { recursive: true, force: true });
  rmSync(runtimeDir, { recursive: true, force: true });
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  if (running !== null) {
    const { engine, server, lock, watcher } = running;
    await watcher?.[Symbol.asyncDispose]();
    try {
      await engine.stop();
    } finally {
      await server.close();
      lock.release();
      leaveHost(lock.record.name);
    }
  }
  report({ type: "stopped" });
  end();
}

/** The engine cannot go on: what can be cleaned is cleaned, and the main thread hears why. */
async function fail(error: AetherError): Promise<void> {
  const first = !stopping;
  stopping = true;
  if (first && running !== null) {
    const { engine, server, lock, watcher } = running;
    await watcher?.[Symbol.asyncDispose]();
    await engine.abandon();
    await server.close();
    lock.release();
    leaveHost(lock.record.name);
  }
  report({ type: "fatal", error: error.toJSON() });
  end();
}

function end(): void {
  port.close();
}

port.on("message", (order: EngineOrder) => {
  const work = order.type === "start" ? start(order) : stop();
  work.catch((error: unknown) => void fail(toAetherError(error)).catch(() => end()));
});
