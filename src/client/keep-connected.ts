/** A connection to an engine that lives elsewhere, which outlives that engine: when it is gone it is waited for. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AetherError } from "../protocol/errors.ts";
import type { ConsoleConnection, ConsoleMessage } from "./connection.ts";
import { notRunning } from "./control-errors.ts";
import { HostSampler } from "./host-figures.ts";
import type { LinkListener } from "./link.ts";

/** How often an engine that is gone is looked for: a look is one failed connect to a socket. */
const retryMs = 500;

/** `connect` opens a connection or throws; it is called again after each loss. The first one must come about. */
export async function keepConnected(connect: () => Promise<ConsoleConnection>): Promise<ConsoleConnection> {
  return new KeptConnection(connect, await connect());
}

class KeptConnection implements ConsoleConnection {
  readonly engineName: string;
  readonly mode: ConsoleConnection["mode"];
  readonly numbersOnly: boolean;
  /** Only by disposal: a console on it ends when its user leaves. */
  readonly closed: Promise<AetherError | null>;
  readonly #connect: () => Promise<ConsoleConnection>;
  readonly #abort = new AbortController();
  readonly #ended = Promise.withResolvers<AetherError | null>();
  readonly #listeners = new Set<(message: ConsoleMessage) => void>();
  readonly #linkListeners = new Set<LinkListener>();
  readonly #running: Promise<void>;
  #current: ConsoleConnection | null;
  #unsubscribe: readonly (() => void)[] = [];

  constructor(connect: () => Promise<ConsoleConnection>, first: ConsoleConnection) {
    this.#connect = connect;
    this.#current = first;
    this.engineName = first.engineName;
    this.mode = first.mode;
    this.numbersOnly = first.numbersOnly;
    this.closed = this.#ended.promise;
    this.#running = this.#run(first);
  }

  async #run(first: ConsoleConnection): Promise<void> {
    let connection: ConsoleConnection | null = first;
    while (connection !== null) {
      const stopped = new Promise<"stopped">((resolve) =>
        this.#abort.signal.addEventListener("abort", () => resolve("stopped"), { once: true }),
      );
      const reason = await Promise.race([connection.closed, stopped]);
      for (const unsubscribe of this.#unsubscribe) unsubscribe();
      this.#current = null;
      await connection[Symbol.asyncDispose]();
      if (reason === "stopped" || this.#abort.signal.aborted) return;
      this.#tell({ type: "lost", atMs: Date.now(), error: reason?.toJSON() ?? null });
      connection = await this.#find();
      if (connection === null) return;
      this.#tell({ type: "live" });
      this.#adopt(connection);
    }
  }

  /** `null`: nobody waits any more. */
  async #find(): Promise<ConsoleConnection | null> {
    while (!this.#abort.signal.aborted) {
      try {
        await sleep(retryMs, undefined, { signal: this.#abort.signal });
        return await this.#connect();
      } catch {
        // Not there yet, or disposed: the loop's condition tells.
      }
    }
    return null;
  }

  #adopt(connection: ConsoleConnection): void {
    this.#current = connection;
    this.#unsubscribe = [
      connection.watchLink((link) => this.#tell(link)),
      connection.subscribe((message) => {
        for (const listener of this.#listeners) listener(message);
      }),
    ];
  }

  #tell(link: Parameters<LinkListener>[0]): void {
    for (const listener of this.#linkListeners) listener(link);
  }

  subscribe(listener: (message: ConsoleMessage) => void): () => void {
    this.#listeners.add(listener);
    if (this.#unsubscribe.length === 0 && this.#current !== null) this.#adopt(this.#current);
    return () => void this.#listeners.delete(listener);
  }

  watchLink(listener: LinkListener): () => void {
    this.#linkListeners.add(listener);
    return () => void this.#linkListeners.delete(listener);
  }

  #live(): ConsoleConnection {
    if (this.#current === null) throw notRunning(this.engineName);
    return this.#current;
  }

  async action(...args: Parameters<ConsoleConnection["action"]>): ReturnType<ConsoleConnection["action"]> {
    return await this.#live().action(...args);
  }

  async invoke(...args: Parameters<ConsoleConnection["invoke"]>): ReturnType<ConsoleConnection["invoke"]> {
    return await this.#live().invoke(...args);
  }

  async reload(): ReturnType<ConsoleConnection["reload"]> {
    return await this.#live().reload();
  }

  async config(): ReturnType<ConsoleConnection["config"]> {
    return await this.#live().config();
  }

  async tap(...args: Parameters<ConsoleConnection["tap"]>): Promise<void> {
    await this.#live().tap(...args);
  }

  /** The machine is there, whatever becomes of the engine. */
  watchHost(...args: Parameters<ConsoleConnection["watchHost"]>): Disposable {
    return new HostSampler(...args);
  }

  async shutdown(): Promise<void> {
    await this.#live().shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#listeners.clear();
    this.#linkListeners.clear();
    await this.#running;
    this.#ended.resolve(null);
  }
}
