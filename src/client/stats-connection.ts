/** A console's connection that lives from the stats region alone: no socket, no thread of the engine hears of it. */
import type { PublicFunctionConfig } from "../protocol/config.ts";
import { AetherError, toAetherError } from "../protocol/errors.ts";
import type { FunctionStats } from "../protocol/stats-layout.ts";
import type { StatsReader, StatsSnapshot } from "../protocol/stats-reader.ts";
import type { EngineView, FunctionView } from "../protocol/views.ts";
import type { ConsoleConnection, ConsoleMessage } from "./connection.ts";
import { monotonicMs, openEngineStats, readEngineStats, readRunningEngine } from "./engine-stats.ts";
import type { EngineStats } from "./engine-stats.ts";
import { FigureKeeper } from "./figures.ts";
import { HostSampler } from "./host-figures.ts";
import type { LinkListener } from "./link.ts";
import { overlayStats } from "./overlay-stats.ts";

const lookIntervalMs = 250;

/** @throws AetherError AE_ENGINE_NOT_RUNNING, AE_SHM_MAP_FAILED, AE_SHM_CORRUPTED, AE_SHM_VERSION */
export async function connectToStats(engineName: string): Promise<ConsoleConnection> {
  const reader = openEngineStats(engineName);
  try {
    return new StatsConnection(engineName, reader, await readRunningEngine(reader));
  } catch (error) {
    reader[Symbol.dispose]();
    throw error;
  }
}

class StatsConnection implements ConsoleConnection {
  readonly engineName: string;
  readonly mode = "attached";
  readonly numbersOnly = true;
  readonly closed: Promise<AetherError | null>;
  readonly #reader: StatsReader;
  readonly #timer: NodeJS.Timeout;
  readonly #ended = Promise.withResolvers<AetherError | null>();
  readonly #listeners = new Set<(message: ConsoleMessage) => void>();
  readonly #linkListeners = new Set<LinkListener>();
  readonly #keeper = new FigureKeeper();
  #snapshot: StatsSnapshot;
  #silent: boolean;

  constructor(engineName: string, reader: StatsReader, first: EngineStats) {
    this.engineName = engineName;
    this.closed = this.#ended.promise;
    this.#reader = reader;
    this.#snapshot = first.snapshot;
    this.#silent = first.liveness === "silent";
    this.#timer = setInterval(() => this.#look(), lookIntervalMs);
  }

  #look(): void {
    let stats: EngineStats;
    try {
      stats = readEngineStats(this.#reader);
    } catch (error) {
      const failure = toAetherError(error);
      if (failure.data["reason"] !== "Unsettled") this.#ended.resolve(failure);
      return;
    }
    const { snapshot, liveness } = stats;
    if (liveness === "ended") return this.#ended.resolve(null);
    if (liveness === "dead") return this.#ended.resolve(died(snapshot));
    this.#heard(liveness === "silent");
    const isNew =
      snapshot.functions.length !== this.#snapshot.functions.length ||
      snapshot.functions.some((record, index) => record !== this.#snapshot.functions[index]) ||
      snapshot.pulse.phase !== this.#snapshot.pulse.phase;
    this.#snapshot = snapshot;
    if (isNew) this.#deliver(this.#message());
    this.#takeFigures();
  }

  #deliver(message: ConsoleMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  #takeFigures(): void {
    const figures = this.#keeper.news(this.#snapshot, monotonicMs(), Date.now());
    if (figures !== null) this.#deliver({ type: "figures", figures });
  }

  #heard(silent: boolean): void {
    if (silent === this.#silent) return;
    this.#silent = silent;
    for (const listener of this.#linkListeners) listener({ type: silent ? "silent" : "live" });
  }

  #message(): ConsoleMessage {
    return { type: "state", state: viewOf(this.#snapshot) };
  }

  subscribe(listener: (message: ConsoleMessage) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#message());
    return () => void this.#listeners.delete(listener);
  }

  watchLink(listener: LinkListener): () => void {
    this.#linkListeners.add(listener);
    if (this.#silent) listener({ type: "silent" });
    return () => void this.#linkListeners.delete(listener);
  }

  action(): Promise<never> {
    return Promise.reject(noOrders());
  }

  invoke(): Promise<never> {
    return Promise.reject(noOrders());
  }

  reload(): Promise<never> {
    return Promise.reject(noOrders());
  }

  config(): Promise<never> {
    return Promise.reject(noOrders());
  }

  tap(): Promise<never> {
    return Promise.reject(noOrders());
  }

  watchHost(...args: Parameters<ConsoleConnection["watchHost"]>): Disposable {
    return new HostSampler(...args);
  }

  shutdown(): Promise<never> {
    return Promise.reject(noOrders());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#listeners.clear();
    this.#linkListeners.clear();
    this.#reader[Symbol.dispose]();
    this.#ended.resolve(null);
    return await Promise.resolve();
  }
}

function died({ header }: StatsSnapshot): AetherError {
  return new AetherError("AE_ENGINE_LOST", `lost the engine "${header.name}"`, {
    why: `its process ${header.pid} is gone`,
    data: { name: header.name, pid: header.pid },
  });
}

function noOrders(): AetherError {
  return new AetherError("AE_USAGE", "no order can be given here", {
    why: "this console reads shared memory and has no connection to the engine",
    hint: "`aether` attaches to the engine with everything.",
  });
}

/** What the region tells, as a console wants it. What it does not tell is left empty, and `numbersOnly` says so. */
function viewOf(snapshot: StatsSnapshot): EngineView {
  const { header, pulse } = snapshot;
  const functions = snapshot.functions.toSorted((a, b) => a.position - b.position);
  const view: EngineView = {
    engine: {
      name: header.name,
      pid: header.pid,
      version: header.version,
      startedAtMs: header.startedAtMs,
      configFile: null,
      config: {
        name: header.name,
        snapshotDir: "",
        keepSnapshots: false,
        restoreBudgetMs: 0,
        onViolation: "serve",
        logLevel: "info",
        maxParallelRestores: 0,
        warmPool: null,
        breakpoints: "hardware",
        memoryBudgetBytes: null,
        metrics: null,
        dataPlane: null,
        privateRange: null,
      },
      phase: pulse.phase,
      readyCount: pulse.readyCount,
      criuVersion: header.criuVersion,
      hostChanges: header.hostChanges.split("\n").filter((text) => text !== ""),
      dataPlane: null,
    },
    functions: functions.map((record) => functionOf(record)),
  };
  return overlayStats(view, snapshot);
}

function functionOf(record: FunctionStats): FunctionView {
  const nothing = { count: 0, lastMs: null, p50Ms: null, p95Ms: null, p99Ms: null };
  return {
    id: record.id,
    state: record.state,
    activity: record.activity,
    stateSinceMs: record.stateSinceMs,
    triggerPort: record.triggerPort === 0 ? null : record.triggerPort,
    instances: [],
    wakes: 0,
    coldStarts: 0,
    exits: 0,
    violations: 0,
    openConnections: 0,
    restore: nothing,
    wake: nothing,
    snapshot: null,
    prepared: 0,
    restoredAhead: false,
    awakeMemoryBytes: null,
    lastError: null,
    config: undeclared(record),
  };
}

/** The declaration is text of the engine's, and not in the region: all but the budget and the port is empty. */
function undeclared({ id, triggerPort, restoreBudgetMs }: FunctionStats): PublicFunctionConfig {
  return {
    id,
    command: [],
    program: "",
    cwd: "",
    triggerPort: triggerPort === 0 ? null : triggerPort,
    protocol: "tcp",
    network: "shared",
    instances: 1,
    ready: { kind: "handshake" },
    readyTimeoutMs: 0,
    envNames: [],
    memoryLimitBytes: null,
    user: null,
    privileged: false,
    ring: false,
    handler: null,
    sleep: "keep",
    start: "snapshot",
    idle: { suspendAfterMs: null, snapshotAfterMs: null, ignoreOpen: false, reclaim: false },
    connections: "refuse",
    wakeOn: "connection",
    maxConnectionsPerSecond: null,
    restoreBudgetMs,
    onViolation: "serve",
    onRestoreFailure: "fail",
    image: "auto",
    warmPool: null,
    restoreAhead: "auto",
    warmup: [],
    proveDeploy: false,
    stopSignal: "SIGTERM",
    stopTimeoutMs: 0,
  };
}
