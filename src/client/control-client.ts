/** The console's connection to an engine over its control socket: one stream, shared by all subscribers. */
import { controlPaths } from "../protocol/control.ts";
import type { ActionResponse, FunctionAction, ReloadResponse, StreamMessage } from "../protocol/control.ts";
import type { ConfigSource } from "../protocol/config-change.ts";
import type { TapMessage, TapRequest } from "../protocol/tap.ts";
import { toAetherError } from "../protocol/errors.ts";
import type { AetherError } from "../protocol/errors.ts";
import { enginePaths } from "../protocol/paths.ts";
import type { EngineConnection } from "./connection.ts";
import { ControlRequests } from "./control-requests.ts";
import { engineLost } from "./control-errors.ts";

/** What a reader has a use for, beside events. A thousand functions make a state of megabytes. */
export interface Wanted {
  /** Their views, and their invocations. */
  readonly functions: boolean;
  readonly logs: boolean;
}

export interface ConnectOptions {
  readonly engineName: string;
  readonly mode: EngineConnection["mode"];
  readonly socketPath?: string;
  /** What the stream is to carry; all of it where nothing is said. */
  readonly wanted?: Wanted | undefined;
  /** Events and lines of the past that the stream begins with. */
  readonly eventTail?: number;
  readonly logTail?: number;
  readonly invocationTail?: number;
}

/** Connects and waits for the greeting. Rejects with AE_ENGINE_NOT_RUNNING, or AE_ENGINE_LOST for another version. */
export async function connectToEngine(options: ConnectOptions): Promise<EngineConnection> {
  const client = new ControlClient(options);
  await client.greeted;
  return client;
}

class ControlClient implements EngineConnection {
  readonly engineName: string;
  readonly mode: EngineConnection["mode"];
  readonly numbersOnly = false;
  readonly greeted: Promise<void>;
  readonly closed: Promise<AetherError | null>;
  readonly #requests: ControlRequests;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(message: StreamMessage) => void>();
  /** What came before the first subscriber did: it is handed to that one. */
  #early: StreamMessage[] | null = [];
  #hello: StreamMessage | null = null;
  #state: StreamMessage | null = null;

  constructor(options: ConnectOptions) {
    this.engineName = options.engineName;
    this.mode = options.mode;
    this.#requests = new ControlRequests(
      options.engineName,
      options.socketPath ?? enginePaths(options.engineName).controlSocket,
    );
    const greeted = Promise.withResolvers<void>();
    this.greeted = greeted.promise;
    const { functions, logs } = options.wanted ?? { functions: true, logs: true };
    const query = new URLSearchParams({ events: String(options.eventTail ?? 500) });
    if (logs) {
      query.set("logs", "*");
      query.set("tail", String(options.logTail ?? 1000));
    }
    if (functions) query.set("invocations", String(options.invocationTail ?? 200));
    else query.set("functions", "0");
    this.closed = this.#run(`${controlPaths.stream}?${query.toString()}`, greeted);
  }

  subscribe(listener: (message: StreamMessage) => void): () => void {
    const past = this.#early ?? [this.#hello, this.#state].filter((message) => message !== null);
    this.#early = null;
    this.#listeners.add(listener);
    for (const message of past) listener(message);
    return () => void this.#listeners.delete(listener);
  }

  /** A silent stream is only told from a lost one by the deadline of its heartbeat. */
  watchLink(): () => void {
    return () => undefined;
  }

  action(functionId: string, action: FunctionAction): Promise<ActionResponse> {
    return this.#requests.action(functionId, action);
  }

  invoke(...order: Parameters<EngineConnection["invoke"]>): ReturnType<EngineConnection["invoke"]> {
    return this.#requests.invoke(...order);
  }

  reload(): Promise<ReloadResponse> {
    return this.#requests.reload();
  }

  config(): Promise<ConfigSource> {
    return this.#requests.config();
  }

  async tap(
    request: TapRequest,
    signal: AbortSignal,
    listener: (message: TapMessage) => void,
  ): Promise<void> {
    for await (const message of this.#requests.tap(request, signal)) listener(message);
  }

  shutdown(): Promise<void> {
    return this.#requests.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#requests[Symbol.dispose]();
    this.#listeners.clear();
    await this.closed;
  }

  /** Never rejects: its result is `closed`. */
  async #run(path: string, greeted: PromiseWithResolvers<void>): Promise<AetherError | null> {
    let reason: AetherError | null = null;
    try {
      for await (const message of this.#requests.stream(path, this.#abort.signal)) {
        this.#deliver(message);
        if (message.type === "hello") greeted.resolve();
      }
    } catch (error) {
      reason = toAetherError(error, "the stream of the engine failed");
    }
    greeted.reject(reason ?? engineLost(this.engineName, "it ended while being attached to"));
    return reason;
  }

  #deliver(message: StreamMessage): void {
    if (message.type === "hello") this.#hello = message;
    if (message.type === "state") this.#state = message;
    if (this.#early === null) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    // Bounded: a console subscribes as soon as it has the connection.
    if (this.#early.length < 5000) this.#early.push(message);
  }
}
