/** Packets by callback: in this thread, or by a module in a worker of the engine's own. */
import { pathToFileURL } from "node:url";
import { SharedCounters } from "./counters.ts";
import type { EngineCounters } from "./counters.ts";
import { EngineLoop } from "./engine-loop.ts";
import type { OnBatch } from "./engine-loop.ts";
import { EngineWorker } from "./engine-worker-client.ts";
import { XdpSocketError } from "./errors.ts";
import type { FrameCounts } from "./frames.ts";
import type { PacketFilter } from "./filter.ts";
import type { OnLeak } from "./packet.ts";
import { PacketOwner } from "./packet.ts";
import type { XskStatistics } from "./port.ts";
import type { XskSockets } from "./sockets.ts";

export interface RunOptions {
  /** Ends the run as `stop` does. */
  readonly signal?: AbortSignal;
  /** Called when a detached packet was thrown away unreleased (default: a process warning). */
  readonly onLeak?: OnLeak;
}

type State = "idle" | "running" | "closed";

export class XskEngine implements AsyncDisposable {
  readonly #sockets: XskSockets;
  readonly #counters = new SharedCounters();
  #state: State = "idle";
  #stop: () => void = () => undefined;
  #ended: Promise<void> = Promise.resolve();
  #inWorker = false;

  constructor(sockets: XskSockets) {
    this.#sockets = sockets;
  }

  /**
   * Receives until `stop`. With a callback: in this thread, between its timers and messages. With a module (a URL or a
   * path): in a worker, which the module exports `onBatch` for; it may wait by blocking, and is the faster way.
   * @throws XdpSocketError CallbackFailed, DeviceGone, Closed
   */
  async run(what: OnBatch | URL | string, options: RunOptions = {}): Promise<void> {
    if (this.#state !== "idle" || this.#inWorker) {
      throw new XdpSocketError("Closed", "the engine cannot run", {
        why: this.#inWorker ? "its sockets went to a worker, and ended with it" : `it is ${this.#state}`,
      });
    }
    const { signal } = options;
    if (signal?.aborted === true) return;
    this.#state = "running";
    const run = typeof what === "function" ? this.#runHere(what, options) : this.#runInWorker(what);
    this.#ended = run.then(
      () => undefined,
      () => undefined,
    );
    const onAbort = (): void => this.#stop();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await run;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#stop = () => undefined;
      if (!this.#isClosed()) this.#state = "idle";
    }
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  async #runHere(onBatch: OnBatch, { onLeak }: RunOptions): Promise<void> {
    const { sockets, frames, config } = this.#sockets;
    const owner = new PacketOwner(frames, this.#sockets.socket.memory, onLeak);
    const loop = new EngineLoop(sockets, owner, onBatch, { ...config, mayBlock: false }, this.#counters);
    let stopped = false;
    this.#stop = () => {
      stopped = true;
      loop.interrupt();
    };
    await loop.run(() => stopped);
  }

  async #runInWorker(module: URL | string): Promise<void> {
    const url =
      module instanceof URL ? module : /^\w+:/.test(module) ? new URL(module) : pathToFileURL(module);
    const { sockets, config } = this.#sockets;
    this.#inWorker = true;
    const handles = sockets.map((socket) => socket.handOver());
    const worker = new EngineWorker({
      module: url.href,
      handles,
      options: { ...config, mayBlock: true },
      counters: this.#counters.memory,
    });
    this.#stop = () => worker.stop();
    await worker.ended;
  }

  /** Ends `run`, after the batch that is under way. */
  stop(): void {
    this.#stop();
  }

  counters(): EngineCounters {
    return this.#counters.read();
  }

  /** Where all frames are. While a worker runs, a moment's picture. */
  frameCounts(): FrameCounts {
    return this.#sockets.frameCounts();
  }

  /** Of the first queue; null once its socket went to a worker. */
  statistics(): XskStatistics | null {
    return this.#inWorker ? null : this.#sockets.socket.statistics();
  }

  setFilter(filter: PacketFilter): void {
    this.#sockets.setFilter(filter);
  }

  /** Stops, waits for the end of the run, and closes the sockets. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    this.#state = "closed";
    await this.#ended;
    this.#sockets[Symbol.dispose]();
  }
}
