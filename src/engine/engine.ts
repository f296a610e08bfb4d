/** The engine: configuration, events, logs and views of the functions that the reactor runs. */
import type { AetherConfig } from "../protocol/config.ts";
import type { ConfigSource } from "../protocol/config-change.ts";
import type { ActionResponse, FunctionAction, LogLine, ReloadResponse } from "../protocol/control.ts";
import { AetherError, toAetherError } from "../protocol/errors.ts";
import type { EngineEvent, EventBody } from "../protocol/events.ts";
import { enginePaths } from "../protocol/paths.ts";
import type { InvocationRecord } from "../protocol/invocations.ts";
import type { NumberedWake } from "../protocol/wakes.ts";
import type { ConnectionCounts, DataPlaneView, EngineView, FunctionView } from "../protocol/views.ts";
import { trimHeap } from "../ffi/heap-trim.ts";
import type { ControlCore, CoreChange } from "./api/control-core.ts";
import { ChangePublisher } from "./change-publisher.ts";
import { validationError } from "./config/format-problems.ts";
import { loadConfig } from "./config/load.ts";
import { configSource } from "./config/source.ts";
import { EventLog } from "./event-log.ts";
import { WakeLog } from "./wake-log.ts";
import { InvocationStore } from "./invoke/invocation-store.ts";
import { Invocations } from "./invoke/invocations.ts";
import { LogFiles } from "./logs/log-files.ts";
import { LogStore } from "./logs/log-store.ts";
import type { LogWriter } from "./logs/log-store.ts";
import { functionOf } from "./lifecycle/replicas.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { MemoryReturn } from "./memory-return.ts";
import { packagePaths } from "./package-paths.ts";
import { planReload } from "./plan-reload.ts";
import { ReactorClient } from "./reactor/reactor-client.ts";
import type { ReactorNews } from "./reactor/reactor-client.ts";
import type { CriuTools } from "./sandbox/context.ts";
import type { Image } from "./snapshot/image.ts";
import { Janitor } from "./snapshot/janitor.ts";
import { runLiveTap } from "./tap/live-tap.ts";
import { regionIdentity } from "./stats/region-identity.ts";

/** State is published at most four times a second. */
const stateIntervalMs = 250;

/** Beyond the functions' own stop times: launcher, cgroups, clean-up. */
const stopMarginMs = 10_000;

/** Once their functions have ended, invocations have nothing to wait for. */
const invocationsDeadlineMs = 2_000;

export interface EngineOptions {
  readonly config: AetherConfig;
  readonly version: string;
  readonly startedAtMs: number;
  /** Start time of this process, clock ticks since boot. */
  readonly startTicks: number;
  readonly criu: CriuTools;
  readonly adopted: Readonly<Record<string, Image>>;
  readonly hostChanges: readonly string[];
  /** The engine cannot go on. */
  readonly onFatal: (error: AetherError) => void;
  /** Nothing has happened for a while: others may give memory back, too. */
  readonly onQuiet: () => void;
  /** Somebody ordered the end over the control socket. */
  readonly onShutdown: () => void;
  /** Another file is in force now. */
  readonly onConfigFile: (file: string | null) => void;
}

/** Where an engine keeps its snapshots. */
export function snapshotRootOf(config: AetherConfig): string {
  return `${config.engine.snapshotDir}/aether-${config.engine.name}`;
}

export class Engine implements ControlCore {
  readonly #options: EngineOptions;
  readonly #reactor: ReactorClient;
  readonly #events: EventLog;
  readonly #wakes = new WakeLog();
  readonly #store: LogStore;
  readonly #files: LogFiles;
  readonly #janitor: Janitor;
  readonly #writers = new Map<string, LogWriter>();
  readonly #views = new Map<string, FunctionView>();
  readonly #listeners = new Set<(change: CoreChange) => void>();
  readonly #states: ChangePublisher<"state">;
  readonly #invocationStore: InvocationStore;
  readonly #invocations: Invocations;
  readonly #memory: MemoryReturn;
  #config: AetherConfig;
  #order: readonly string[];
  #dataPlane: DataPlaneView | null = null;
  #readyCount = 0;
  #phase: EngineView["engine"]["phase"] = "starting";
  /** Reloads and restarts, one after another. */
  #applying: Promise<unknown> = Promise.resolve();

  constructor(options: EngineOptions) {
    const { config } = options;
    const now = (): number => Date.now();
    this.#options = options;
    this.#config = config;
    this.#order = config.functions.map(({ id }) => id);
    this.#events = new EventLog({ now });
    this.#store = new LogStore({ now });
    this.#files = new LogFiles({
      store: this.#store,
      directory: enginePaths(config.engine.name).logDir,
      onNotice: (functionId, text) => this.emit({ type: "notice", functionId, text }),
    });
    this.#states = new ChangePublisher(stateIntervalMs, () =>
      this.#publish({ type: "state", state: this.view() }),
    );
    this.#memory = new MemoryReturn({
      trim: () => {
        collectGarbage();
        trimHeap();
        options.onQuiet();
      },
      monotonic: () => performance.now(),
    });
    this.#events.subscribe((event) => this.#wakes.add(event));
    this.#events.subscribe((event) => this.#publish({ type: "event", event }));
    this.#events.subscribe(() => this.#memory.used());
    this.#store.subscribe((lines) => this.#publish({ type: "logs", lines }));
    this.#janitor = new Janitor((error) =>
      this.emit({ type: "error", functionId: null, error: error.toJSON() }),
    );
    this.#reactor = new ReactorClient((news) => this.#take(news));
    this.#invocationStore = new InvocationStore(enginePaths(config.engine.name).invocationsFile);
    this.#invocations = new Invocations({
      store: this.#invocationStore,
      deliver: (functionId, event) => this.#reactor.invoke(functionId, event),
      now,
      monotonic: () => performance.now(),
      onRecord: (record) => this.#publish({ type: "invocations", records: [record] }),
    });
  }

  /** Starts the reactor; functions come up after it has resolved. */
  async start(): Promise<void> {
    const { engine } = this.#config;
    const paths = enginePaths(engine.name);
    await this.#reactor.start({
      type: "start",
      engine,
      functions: this.#config.functions,
      adopted: this.#options.adopted,
      criu: this.#options.criu,
      engineVersion: this.#options.version,
      programsDirectory: packagePaths.programs,
      bpfDirectory: packagePaths.bpf,
      runtimeDir: paths.runtimeDir,
      snapshotRoot: snapshotRootOf(this.#config),
      tmpRoot: `${paths.stateDir}/tmp`,
      cgroupName: paths.cgroupName,
      stats: { file: paths.statsFile, identity: regionIdentity(this.#options) },
    });
    if (this.#config.functions.length === 0) this.#phase = "running";
    this.#states.mark("state");
  }

  get epollNumber(): number | null {
    return this.#reactor.epollNumber;
  }

  /** Reports what happened in this thread. */
  emit(body: EventBody): void {
    if (body.type === "error") this.#reactor.errorSeen(body);
    this.#events.append(body);
  }

  #take(news: ReactorNews): void {
    switch (news.type) {
      case "event":
        if (news.event.type === "progress") this.#progress(news.event.ready, news.event.total);
        this.#events.append(news.event);
        return;
      case "views":
        for (const view of news.changed) this.#views.set(view.id, view);
        for (const id of this.#views.keys()) if (!news.order.includes(id)) this.#views.delete(id);
        return this.#states.mark("state");
      case "output":
        this.#writer(news).write(news.chunk);
        return this.#reactor.outputTaken(news.instanceOf, news.chunk.length);
      case "discard":
        return this.#janitor.discard(news.path);
      case "seal":
        return this.#janitor.seal(news.image);
      case "data-plane":
        this.#dataPlane = news.view;
        return this.#states.mark("state");
      case "failed":
        if (this.#phase !== "stopping") this.#options.onFatal(AetherError.from(news.error));
        return;
      default:
        news satisfies never;
    }
  }

  #progress(ready: number, total: number): void {
    this.#readyCount = ready;
    if (ready === total && this.#phase === "starting") this.#phase = "running";
    this.#states.mark("state");
  }

  /** Lines of one instance are not mixed up with those of another; the log is the function's. */
  #writer(output: Extract<ReactorNews, { type: "output" }>): LogWriter {
    const { functionId, instanceOf, stream } = output;
    const key = `${instanceOf}/${stream}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      writer = this.#store.open(functionId, stream);
      this.#writers.set(key, writer);
    }
    return writer;
  }

  #publish(change: CoreChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  view(): EngineView {
    const { engine, file } = this.#config;
    return {
      engine: {
        name: engine.name,
        pid: process.pid,
        version: this.#options.version,
        startedAtMs: this.#options.startedAtMs,
        configFile: file,
        config: engine,
        phase: this.#phase,
        readyCount: this.#readyCount,
        criuVersion: this.#options.criu.version,
        hostChanges: this.#options.hostChanges,
        dataPlane: this.#dataPlane,
      },
      functions: this.#order.flatMap((id) => this.#views.get(id) ?? []),
    };
  }

  events(tail: number): readonly EngineEvent[] {
    return this.#events.tail(tail);
  }

  connections(): Promise<ConnectionCounts> {
    return this.#reactor.connections();
  }

  logs(functionId: string | null, tail: number): readonly LogLine[] {
    this.#mustKnow(functionId);
    return this.#store.tail(functionId, tail);
  }

  wakes(functionId: string | null, tail: number): readonly NumberedWake[] {
    this.#mustKnow(functionId);
    return this.#wakes.tail(functionId, tail);
  }

  #mustKnow(functionId: string | null): void {
    if (functionId === null || this.#config.functions.some(({ id }) => id === functionId)) return;
    throw new AetherError("AE_UNKNOWN_FUNCTION", `there is no function ${functionId}`, {
      hint: "`aether ps` lists them.",
      data: { function: functionId },
    });
  }

  onChange(listener: (change: CoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  invoke(
    ...[functionId, order, signal]: Parameters<ControlCore["invoke"]>
  ): ReturnType<ControlCore["invoke"]> {
    this.#mustKnow(functionId);
    return this.#invocations.begin(functionId, order, signal);
  }

  invocations(functionId: string | null, tail: number): readonly InvocationRecord[] {
    return this.#invocationStore.tail(functionId, tail);
  }

  config(): ConfigSource {
    return configSource(this.#config.file);
  }

  tap(...args: Parameters<ControlCore["tap"]>): Promise<void> {
    return runLiveTap(...args);
  }

  async action(functionId: string, action: FunctionAction): Promise<ActionResponse> {
    const startedAt = performance.now();
    const order = (): Promise<FunctionView | null> => this.#reactor.action(functionId, action);
    const view = await (action === "restart" ? this.#inTurn(order) : order());
    if (view === null) throw new AetherError("AE_INTERNAL", `${functionId}: the reactor gave no view`);
    this.#views.set(view.id, view);
    return { function: view, durationMs: performance.now() - startedAt };
  }

  reload(): Promise<ReloadResponse> {
    const { file } = this.#config;
    if (file !== null) return this.deploy(file);
    return Promise.reject(
      new AetherError("AE_USAGE", "there is no file to read again", {
        why: "this engine was started by `aether run`",
        hint: "Stop it and run it again, or write an aether.yaml: `aether init`.",
      }),
    );
  }

  deploy(file: string): Promise<ReloadResponse> {
    return this.#inTurn(() => this.#apply(file));
  }

  /** What replaces functions: one after another, so that two never replace the same one. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#applying.then(work);
    this.#applying = next.catch(() => undefined);
    return next;
  }

  async #apply(file: string): Promise<ReloadResponse> {
    const { metrics } = this.#config.engine;
    const triggers = this.#config.functions.flatMap(({ triggerPort }) => triggerPort ?? []);
    const ownPorts = new Set(metrics === null ? triggers : [...triggers, metrics.port]);
    const loaded = loadConfig(file, { checkPorts: true, ownPorts });
    if (!loaded.ok) {
      this.emit({ type: "reload-refused", problems: loaded.problems });
      throw validationError(loaded.problems);
    }
    const before = this.#config;
    const { config, change, response, changes } = planReload(before, loaded.config);
    this.#putInForce(config);
    try {
      await this.#reactor.apply(change);
    } catch (error) {
      // Nothing of it was done: what served before goes on, under the configuration it has.
      this.#putInForce(before);
      this.#states.mark("state");
      const failure = toAetherError(error, "the configuration could not be applied");
      // What a function is to blame for, it has reported. Whoever saves a file has nobody else to hear of the rest from.
      if (failure.data["function"] === undefined)
        this.emit({ type: "error", functionId: null, error: failure.toJSON() });
      throw failure;
    }
    for (const id of response.removed) this.#forget(id);
    this.#readyCount = config.functions.length;
    this.emit({ type: "reload", ...response, changes });
    this.#states.mark("state");
    return response;
  }

  #putInForce(config: AetherConfig): void {
    this.#config = config;
    this.#order = config.functions.map(({ id }) => id);
    this.#options.onConfigFile(config.file);
  }

  #forget(functionId: string): void {
    this.#store.remove(functionId);
    this.#views.delete(functionId);
    for (const key of this.#writers.keys())
      if (functionOf(key.slice(0, key.indexOf("/"))) === functionId) this.#writers.delete(key);
  }

  async shutdown(): Promise<void> {
    this.#options.onShutdown();
    return await Promise.resolve();
  }

  /**
   * Ends everything in order; images stay only where that was declared.
   * @throws AetherError when the functions' stop times are over and the reactor has not ended
   */
  async stop(): Promise<void> {
    this.#phase = "stopping";
    this.#states.mark("state");
    await this.#applying;
    const slowestMs = Math.max(0, ...this.#config.functions.map(({ stopTimeoutMs }) => stopTimeoutMs));
    const images = await this.#reactor.stop(slowestMs + stopMarginMs);
    await this.#janitor.finish(this.#config.engine.keepSnapshots ? images : [], snapshotRootOf(this.#config));
    await this.#close();
  }

  async #close(): Promise<void> {
    for (const writer of this.#writers.values()) writer.end();
    await this.#files.close();
    this.#memory[Symbol.dispose]();
    this.#states[Symbol.dispose]();
    this.#store[Symbol.dispose]();
    await this.#invocations.settled(invocationsDeadlineMs);
    this.#invocationStore[Symbol.dispose]();
    await this.#reactor.terminate();
  }

  /** Ends without order, after a failure. */
  async abandon(): Promise<void> {
    this.#phase = "stopping";
    await this.#close();
  }
}
