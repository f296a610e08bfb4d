/** The loop of an engine: fetch, call back, settle, wait. The same in a worker and in the caller's thread. */
// Imported, not the global: that is a getter, which an idle loop would pay for with every turn.
import { performance } from "node:perf_hooks";
import type { Poller } from "./config.ts";
import type { SharedCounters } from "./counters.ts";
import { XdpSocketError } from "./errors.ts";
import type { PacketOwner } from "./packet.ts";
import { PacketBatch } from "./packet-batch.ts";
import type { BatchOutcome } from "./packet-batch.ts";
import type { RawXsk } from "./raw-socket.ts";

/** Called with every batch. What is not sent or detached within it is dropped. It must not be async. */
export type OnBatch = (batch: PacketBatch) => void;

export interface LoopOptions {
  readonly batchSize: number;
  readonly poller: Poller;
  readonly spinUs: number;
  readonly debug: boolean;
  /** Whether the thread may be blocked: true in a worker of the engine's own. */
  readonly mayBlock: boolean;
}

/** Timers and messages of the thread wait at most so long while packets keep coming. */
const sliceMs = { blocking: 20, shared: 1 } as const;
/** A wait ends by itself after so long, so that a stop is noticed. */
const waitMs = { blocking: 20, shared: 200 } as const;
/** While frames are out that only a completion brings back, or a kick is due again. */
const shortWaitMs = 1;

export class EngineLoop {
  readonly #sockets: readonly RawXsk[];
  readonly #batches: readonly PacketBatch[];
  readonly #onBatch: OnBatch;
  readonly #options: LoopOptions;
  readonly #counters: SharedCounters;
  readonly #outcome: BatchOutcome = { received: 0, sent: 0, dropped: 0, kept: 0, unsent: 0 };

  constructor(
    sockets: readonly RawXsk[],
    owner: PacketOwner,
    onBatch: OnBatch,
    options: LoopOptions,
    counters: SharedCounters,
  ) {
    this.#sockets = sockets;
    this.#batches = sockets.map((socket) => new PacketBatch(socket, owner, options.batchSize, options.debug));
    this.#onBatch = onBatch;
    this.#options = options;
    this.#counters = counters;
  }

  /** Runs until told to stop. @throws XdpSocketError CallbackFailed, DeviceGone */
  async run(isStopped: () => boolean): Promise<void> {
    const { mayBlock, poller, spinUs } = this.#options;
    const slice = mayBlock ? sliceMs.blocking : sliceMs.shared;
    const spinMs = poller === "adaptive" ? spinUs / 1000 : 0;
    while (!isStopped()) {
      const startedAt = performance.now();
      let idleSince = 0;
      for (let turns = 1; ; turns++) {
        if (this.turn() > 0) {
          idleSince = 0;
          // The clock costs as much as a packet: not every turn.
          if ((turns & 7) === 0 && performance.now() - startedAt > slice) break;
          continue;
        }
        const now = performance.now();
        if (now - startedAt > slice || isStopped()) break;
        if (idleSince === 0) idleSince = now;
        if (poller === "busy" || now - idleSince < spinMs) continue;
        if (!mayBlock || !this.#block()) break;
        idleSince = 0;
      }
      if (isStopped()) return;
      if (!mayBlock && poller !== "busy") await this.#pause();
      await new Promise(setImmediate);
    }
  }

  /** Ends a wait of `run` at once, so that it looks whether it is stopped. */
  interrupt(): void {
    for (const socket of this.#sockets) socket.interrupt();
  }

  /** One turn over all queues. Returns how many packets came. */
  turn(): number {
    let total = 0;
    for (let index = 0; index < this.#sockets.length; index++) {
      const socket = this.#sockets[index];
      const batch = this.#batches[index];
      if (socket === undefined || batch === undefined) continue;
      socket.reclaim();
      socket.refill();
      if (batch.fetch() === 0) continue;
      total += batch.length;
      this.#call(batch);
      this.#counters.add(this.#outcome);
    }
    return total;
  }

  #call(batch: PacketBatch): void {
    let result: unknown;
    try {
      result = this.#onBatch(batch);
    } catch (error) {
      batch.settle(this.#outcome, true);
      throw new XdpSocketError("CallbackFailed", "the callback of the packet engine failed", {
        why: error instanceof Error ? error.message : String(error),
        cause: error,
      });
    }
    batch.settle(this.#outcome);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new XdpSocketError("CallbackFailed", "the callback of the packet engine is async", {
        why: "its packets end when it returns, which is before its first await goes on",
        hint: "Take packets along with detach(), or use a system instead of an engine.",
      });
    }
  }

  #hasUnfinishedSends(): boolean {
    return this.#sockets.some((socket) => !socket.kick()) || this.#sockets.some(isStarved);
  }

  /** Blocks the thread until a packet is there. True: go on at once; false: let the thread's own events run first. */
  #block(): boolean {
    const timeoutMs = this.#hasUnfinishedSends() ? shortWaitMs : waitMs.blocking;
    return this.#sockets[0]?.waitAmong(this.#sockets, timeoutMs) ?? false;
  }

  /** The same without blocking. */
  async #pause(): Promise<void> {
    const timeoutMs = this.#hasUnfinishedSends() ? shortWaitMs : waitMs.shared;
    await Promise.race(this.#sockets.map(async (socket) => await socket.ready(timeoutMs)));
    if (this.#sockets.length > 1) this.interrupt();
  }
}

/** No frame is with the kernel for receiving: only completions can bring some. */
function isStarved(socket: RawXsk): boolean {
  return socket.frames.freeCount === 0 && socket.fill.pending() === 0;
}
