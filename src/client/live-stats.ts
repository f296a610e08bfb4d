/**
 * A console's connection whose numbers come from the stats region: text (errors, events, logs, configuration) comes over
 * the control socket, when it changes; numbers are looked at here, several times a second.
 */
import type { StreamMessage } from "../protocol/control.ts";
import { toAetherError } from "../protocol/errors.ts";
import type { AetherError } from "../protocol/errors.ts";
import type { StatsReader, StatsSnapshot } from "../protocol/stats-reader.ts";
import type { EngineView } from "../protocol/views.ts";
import { livenessOf } from "../protocol/stats-liveness.ts";
import type { ConsoleConnection, ConsoleMessage, EngineConnection, FigureConnection } from "./connection.ts";
import { monotonicMs, openEngineStats } from "./engine-stats.ts";
import { FigureKeeper } from "./figures.ts";
import { HostSampler } from "./host-figures.ts";
import type { LinkListener } from "./link.ts";
import { overlayStats } from "./overlay-stats.ts";

/** A console is told of new numbers at most four times a second. */
const lookIntervalMs = 250;

export interface LiveConnection extends ConsoleConnection {
  /** The region could not be read any more: the console has nothing true to show, and ends. */
  readonly failure: AetherError | null;
}

/**
 * Puts live numbers into what a connection delivers; disposing it disposes the connection.
 * @throws AetherError AE_ENGINE_NOT_RUNNING, AE_SHM_MAP_FAILED, AE_SHM_CORRUPTED, AE_SHM_VERSION
 */
export function withLiveStats(
  connection: FigureConnection,
  reader: StatsReader = openEngineStats(connection.engineName),
): LiveConnection {
  return new LiveStats(connection, reader);
}

class LiveStats implements LiveConnection {
  readonly engineName: string;
  readonly mode: EngineConnection["mode"];
  readonly numbersOnly = false;
  readonly closed: Promise<AetherError | null>;
  readonly #connection: FigureConnection;
  readonly #reader: StatsReader;
  readonly #timer: NodeJS.Timeout;
  readonly #failed = Promise.withResolvers<AetherError>();
  readonly #listeners = new Set<(message: ConsoleMessage) => void>();
  readonly #linkListeners = new Set<LinkListener>();
  #silent = false;
  #failure: AetherError | null = null;
  #view: EngineView | null = null;
  #stats: StatsSnapshot | null = null;
  readonly #keeper = new FigureKeeper();

  constructor(connection: FigureConnection, reader: StatsReader) {
    this.#connection = connection;
    this.#reader = reader;
    this.engineName = connection.engineName;
    this.mode = connection.mode;
    this.closed = Promise.race([connection.closed, this.#failed.promise]);
    this.#timer = setInterval(() => this.#tick(), lookIntervalMs);
    this.#timer.unref();
  }

  get failure(): AetherError | null {
    return this.#failure;
  }

  /** Takes in the newest numbers. Returns whether there are any that differ. */
  #look(): boolean {
    if (this.#failure !== null) return false;
    const before = this.#stats;
    try {
      this.#stats = this.#reader.read();
    } catch (error) {
      const failure = toAetherError(error);
      // A record in the middle of being written: the next look finds it whole.
      if (failure.data["reason"] === "Unsettled") return false;
      this.#failure = failure;
      this.#failed.resolve(failure);
      return false;
    }
    return before === null || differ(before, this.#stats);
  }

  #tick(): void {
    const changed = this.#look();
    this.#listen();
    if (this.#view === null) return;
    if (changed) this.#deliver(this.#merged(this.#view));
    this.#takeFigures();
  }

  /** The beat of the engine: without it what is shown is old, whatever the socket says. */
  #listen(): void {
    if (this.#stats === null || this.#failure !== null) return;
    const silent = livenessOf(this.#stats, monotonicMs()) === "silent";
    if (silent === this.#silent) return;
    this.#silent = silent;
    for (const listener of this.#linkListeners) listener({ type: silent ? "silent" : "live" });
  }

  watchLink(listener: LinkListener): () => void {
    this.#linkListeners.add(listener);
    return () => void this.#linkListeners.delete(listener);
  }

  #deliver(message: ConsoleMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  #takeFigures(): void {
    const figures = this.#stats === null ? null : this.#keeper.news(this.#stats, monotonicMs(), Date.now());
    if (figures !== null) this.#deliver({ type: "figures", figures });
  }

  #merged(view: EngineView): StreamMessage {
    return { type: "state", state: this.#stats === null ? view : overlayStats(view, this.#stats) };
  }

  subscribe(listener: (message: ConsoleMessage) => void): () => void {
    this.#listeners.add(listener);
    let isFirst = true;
    const unsubscribe = this.#connection.subscribe((message) => {
      if (message.type !== "state") return listener(message);
      this.#view = message.state;
      this.#look();
      listener(this.#merged(message.state));
      const { told } = this.#keeper;
      if (isFirst && told !== null) listener({ type: "figures", figures: told });
      isFirst = false;
      this.#takeFigures();
    });
    return () => {
      this.#listeners.delete(listener);
      unsubscribe();
    };
  }

  action(...args: Parameters<EngineConnection["action"]>): ReturnType<EngineConnection["action"]> {
    return this.#connection.action(...args);
  }

  invoke(...args: Parameters<EngineConnection["invoke"]>): ReturnType<EngineConnection["invoke"]> {
    return this.#connection.invoke(...args);
  }

  reload(): ReturnType<EngineConnection["reload"]> {
    return this.#connection.reload();
  }

  watchHost(...args: Parameters<ConsoleConnection["watchHost"]>): Disposable {
    return new HostSampler(...args);
  }

  config(): ReturnType<EngineConnection["config"]> {
    return this.#connection.config();
  }

  tap(...args: Parameters<EngineConnection["tap"]>): ReturnType<EngineConnection["tap"]> {
    return this.#connection.tap(...args);
  }

  shutdown(): Promise<void> {
    return this.#connection.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#listeners.clear();
    this.#linkListeners.clear();
    await this.#connection[Symbol.asyncDispose]();
    this.#reader[Symbol.dispose]();
  }
}

/** Records that did not change are the same objects (stats-reader.ts); of the pulse only two fields are shown. */
function differ(a: StatsSnapshot, b: StatsSnapshot): boolean {
  return (
    a.pulse.phase !== b.pulse.phase ||
    a.pulse.readyCount !== b.pulse.readyCount ||
    a.functions.length !== b.functions.length ||
    a.functions.some((record, index) => record !== b.functions[index])
  );
}
