/** The engine's thread: from the order to start to the last clean-up (worker-messages.ts). */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { giveWay } from "../ffi/scheduling.ts";
import type { AetherConfig } from "../protocol/config.ts";
import { AetherError, toAetherError } from "../protocol/errors.ts";
import { enginePaths, runtimeRoot } from "../protocol/paths.ts";
import { startControlServer } from "./api/server.ts";
import { loadConfig } from "./config/load.ts";
import { ConfigFollower } from "./config/watch.ts";
import { Engine, snapshotRootOf } from "./engine.ts";
import { acquireEngineLock, alreadyRunning, otherEnginesRunning, runningEngine } from "./lock.ts";
import type { EngineLock } from "./lock.ts";
import { startMetricsServer } from "./metrics/server.ts";
import { packagePaths, packageVersion } from "./package-paths.ts";
import { adoptImages } from "./snapshot/adopt.ts";
import { findCriu, tunedCriu } from "./snapshot/criu-tools.ts";
import { draftOf } from "./stats/stats-region.ts";
import { enableMigration, restoreSettings } from "./wake/host-settings.ts";
import type { EngineOrder, EngineReport } from "./worker-messages.ts";

if (parentPort === null) throw new AetherError("AE_INTERNAL", "the engine runs in a thread of its own");
const port = parentPort;
// What this thread and the console's do for a wake (records, events, numbers, lines on a screen) is for later: it must not
// interrupt the function that wakes.
giveWay();
giveWay(process.pid);
const report = (message: EngineReport): void => port.postMessage(message);

/** linux/capability.h */
const capSysAdmin = 1n << 21n;

type StartOrder = Extract<EngineOrder, { type: "start" }>;

/** What the end undoes, last made first. */
const cleanup = new AsyncDisposableStack();
let engine: Engine | null = null;
let starting: Promise<void> = Promise.resolve();
/** The end happens once, for whichever reason came first. */
let ending: Promise<void> | null = null;

function readConfig(order: StartOrder): AetherConfig | null {
  const loaded =
    order.inline === null
      ? loadConfig(order.configFile ?? "aether.yaml", { checkPorts: true, ownPorts: new Set() })
      : { ok: true as const, config: order.inline };
  if (!loaded.ok) {
    refuseSecond(order);
    report({ type: "config-invalid", problems: loaded.problems });
    return null;
  }
  const { config } = loaded;
  return order.engineName === null
    ? config
    : { ...config, engine: { ...config.engine, name: order.engineName } };
}

/**
 * For a file with problems. The ports of an engine that runs are taken in the eyes of a second one: that the first is
 * there is what has to be told. @throws AetherError AE_ENGINE_RUNNING
 */
function refuseSecond(order: StartOrder): void {
  if (order.configFile === null) return;
  const loaded = loadConfig(order.configFile, { checkPorts: false, ownPorts: new Set() });
  if (!loaded.ok) return;
  const holder = runningEngine(order.engineName ?? loaded.config.engine.name);
  if (holder !== null) throw alreadyRunning(holder);
}

/** Sandboxes, cgroups and kernel programs need root's powers; better said at once than by the first call that fails. */
function requirePrivileges(): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  if ((BigInt(`0x${effective}`) & capSysAdmin) !== 0n) return;
  throw new AetherError("AE_MACHINE_NOT_READY", "Aether needs to run as root", {
    why: `user ${process.geteuid?.() ?? "unknown"} lacks CAP_SYS_ADMIN, without which no sandbox can be made`,
    hint: "Start it with sudo, or as root; in a container, with --privileged. `aether doctor` lists all that is needed.",
  });
}

async function start(order: StartOrder): Promise<void> {
  const config = readConfig(order);
  if (config === null) return port.close();
  requirePrivileges();
  const version = packageVersion();
  const startedAtMs = Date.now();
  const { name } = config.engine;
  const locked = acquireEngineLock({ name, version, configFile: config.file, startedAtMs });
  if (!locked.ok) throw locked.error;
  const lock = cleanup.use(locked.lock);
  // Before the lock is released: the next engine of this name must not lose what it makes.
  cleanup.defer(() => leaveHost(name, config.engine.keepSnapshots));
  const controlSocket = await bringUp(config, lock, version, startedAtMs);
  report({ type: "started", name, controlSocket, epollNumber: engine?.epollNumber ?? null });
}

/** Brings the engine up; returns the path of its control socket. */
async function bringUp(
  config: AetherConfig,
  lock: EngineLock,
  version: string,
  startedAtMs: number,
): Promise<string> {
  const { name, metrics } = config.engine;
  // First: a port that is taken is told before anything is started.
  if (metrics !== null) cleanup.use(await startMetricsServer(metrics, enginePaths(name).statsFile));
  const criu = tunedCriu(findCriu(packagePaths.tools), config.engine);
  const machine = { criuVersion: criu.version, engineVersion: version };
  const { images, refused } = await adoptImages(snapshotRootOf(config), config, machine);
  removeStaleTmp(name, images);
  const hostChanges = enableMigration(runtimeRoot());
  engine = new Engine({
    config,
    version,
    startedAtMs,
    startTicks: lock.record.startTicks,
    criu,
    adopted: images,
    hostChanges,
    onFatal: fail,
    onQuiet: () => report({ type: "quiet" }),
    onShutdown: stop,
    onConfigFile: (file) => {
      lock.setConfigFile(file);
      void watched.follow(file);
    },
  });
  const made = engine;
  const watched = new ConfigFollower(() => void made.reload().catch(() => undefined)); // It has been reported.
  for (const { functionId, why } of refused)
    made.emit({ type: "error", functionId, error: refusal(functionId, why).toJSON() });
  if (config.engine.breakpoints === "none")
    made.emit({ type: "notice", functionId: null, text: "CRIU restores without hardware breakpoints" });
  for (const change of hostChanges)
    made.emit({ type: "notice", functionId: null, text: `host setting changed: ${change}` });
  await made.start();
  const server = await startControlServer({ core: made, path: enginePaths(name).controlSocket });
  cleanup.use(server);
  cleanup.use(watched);
  await watched.follow(config.file);
  return server.path;
}

function refusal(functionId: string, why: string): AetherError {
  return new AetherError("AE_SNAPSHOT_REFUSED", `${functionId}: an earlier snapshot is not adopted`, {
    why,
    hint: "A new one is made now.",
    data: { function: functionId },
  });
}

/** Private /tmp folders of an engine that was killed; what an adopted image has open in its own stays. */
function removeStaleTmp(name: string, adopted: Readonly<Record<string, unknown>>): void {
  const folder = `${enginePaths(name).stateDir}/tmp`;
  for (const id of existsSync(folder) ? readdirSync(folder) : []) {
    if (adopted[id] === undefined) rmSync(`${folder}/${id}`, { recursive: true, force: true });
  }
}

/** Puts back what was changed on the host, when no other engine needs it, and removes the runtime folder. */
function leaveHost(name: string, keepTmp = false): void {
  if (!otherEnginesRunning(name)) restoreSettings(runtimeRoot());
  const { runtimeDir, stateDir, statsFile } = enginePaths(name);
  // The reactor removes it; one that failed, or was ended at a deadline, has not.
  for (const file of [statsFile, draftOf(statsFile)]) rmSync(file, { force: true });
  if (!keepTmp) rmSync(`${stateDir}/tmp`, { recursive: true, force: true });
  rmSync(runtimeDir, { recursive: true, force: true });
  try {
    rmdirSync(runtimeRoot());
  } catch {
    // Other engines live there, or one is just coming.
  }
}

/** An ordered end. */
function stop(): void {
  ending ??= end(null);
}

/** The engine cannot go on: what can be cleaned is cleaned, and the main thread hears why. */
function fail(error: AetherError): void {
  ending ??= end(error);
}

async function end(cause: AetherError | null): Promise<void> {
  let failure = cause;
  try {
    await starting.catch(() => undefined); // Its failure is the cause, or came after it.
    if (failure === null) await engine?.stop();
    else await engine?.abandon();
  } catch (error) {
    failure ??= toAetherError(error, "the engine could not end in order");
    await engine?.abandon();
  }
  try {
    await cleanup.disposeAsync();
  } catch (error) {
    failure ??= toAetherError(error, "the engine could not clean up");
  }
  report(failure === null ? { type: "stopped" } : { type: "fatal", error: failure.toJSON() });
  port.close();
}

port.on("message", (order: EngineOrder) => {
  if (order.type === "stop") return stop();
  starting = start(order);
  starting.catch((error: unknown) => fail(toAetherError(error)));
});
