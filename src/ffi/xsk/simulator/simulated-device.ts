/**
 * A network interface in memory: `new XskBuilder("sim0").on(device)` opens sockets on it as on a real one. What a test
 * injects comes in, what the sockets send is collected. Without koffi and without Linux.
 *
 * It is a copy-mode interface. What differs from the kernel's: nothing is zero-copy; packets arrive within `inject`, not
 * by an interrupt; a packet is sent within the call that kicks, so its frame is on the completion ring when the call
 * returns; packets that are not taken go nowhere, as there is no stack; huge pages and attach modes mean nothing.
 */
import type { XskConfig } from "../config.ts";
import { XdpSocketError } from "../errors.ts";
import { compileFilter, matchesFilter } from "../filter.ts";
import type { CompiledFilter, PacketFilter } from "../filter.ts";
import { entryBytes } from "../layout.ts";
import type { RingMemory, RingName } from "../layout.ts";
import type { SimulatedPortDescription, XskBackend, XskInterface } from "../port.ts";
import { SimulatedPort } from "./simulated-port.ts";
import { SimulatedQueue } from "./simulated-queue.ts";
import type { InjectResult } from "./simulated-queue.ts";
import { nextRandom, stateMemory, word } from "./state.ts";
import { wireMemory } from "./wire.ts";

/** The kernel's own, with cache lines of 64 bytes (struct xdp_ring in net/xdp/xsk_queue.h); a test compares them. */
export const simulatedOffsets = { producer: 0, consumer: 128, flags: 196, entries: 320 } as const;

export interface LinkConditions {
  /** Of every thousand packets, so many are lost. */
  readonly lossPerMille?: number;
  /** How late they arrive. */
  readonly latencyMs?: number;
}

export interface SimulatedOptions {
  /** Of losses: the same seed loses the same packets. Not 0. */
  readonly seed?: number;
  /** How much may be sent and not collected, a power of two (default 1 MiB); then sending waits. */
  readonly wireBytes?: number;
  /** Queues that can be bound (default 4). */
  readonly queues?: number;
}

export class SimulatedDevice implements XskBackend {
  readonly #options: Required<SimulatedOptions>;
  readonly #queues = new Map<number, SimulatedQueue>();
  readonly #random: Int32Array;
  #filter: CompiledFilter | null = null;
  #receive: Required<LinkConditions> = { lossPerMille: 0, latencyMs: 0 };
  #transmit: Required<LinkConditions> = { lossPerMille: 0, latencyMs: 0 };
  readonly #timers = new Set<NodeJS.Timeout>();
  #removed = false;

  constructor(options: SimulatedOptions = {}) {
    const { seed = 1, wireBytes = 1024 * 1024, queues = 4 } = options;
    if (!Number.isInteger(seed) || seed === 0)
      throw new XdpSocketError("InvalidConfig", `the seed cannot be ${seed}`);
    if ((wireBytes & (wireBytes - 1)) !== 0 || wireBytes < 16_384)
      throw new XdpSocketError("InvalidConfig", `the wire cannot have ${wireBytes} bytes`);
    this.#options = { seed, wireBytes, queues };
    this.#random = new Int32Array(1);
    this.#random[0] = seed;
  }

  async open(config: XskConfig): Promise<XskInterface> {
    if (config.mode === "zerocopy") {
      throw new XdpSocketError("Unsupported", "a simulated device has no zero-copy", {
        hint: "Take mode auto or copy.",
      });
    }
    if (this.#removed) throw new XdpSocketError("NoDevice", `${config.device} was removed`);
    for (const queue of config.queues) {
      if (queue >= this.#options.queues) {
        throw new XdpSocketError("NoDevice", `${config.device} has no queue ${queue}`, {
          data: { device: config.device, queue },
        });
      }
      if (!this.#queues.has(queue)) continue;
      throw new XdpSocketError("QueueBusy", `queue ${queue} of ${config.device} is taken`, {
        data: { device: config.device, queue },
      });
    }
    if (config.filter !== null && this.#filter !== null)
      throw new XdpSocketError("QueueBusy", `${config.device} has a filter already`);
    const umem = new SharedArrayBuffer(config.frames.frameCount * config.frames.frameSizeBytes);
    const queues = config.queues.map((queue) => new SimulatedQueue(this.#describe(config, queue, umem)));
    for (const queue of queues) {
      queue.setTransmit(this.#transmit.lossPerMille, this.#transmit.latencyMs);
      this.#queues.set(queue.description.queue, queue);
    }
    this.#filter = config.filter ?? this.#filter;
    await Promise.resolve();
    return this.#interface(queues, config.filter !== null);
  }

  #interface(queues: readonly SimulatedQueue[], hasFilter: boolean): XskInterface {
    const ports = queues.map(({ description }) => new SimulatedPort(description));
    const stopRedirecting = (): void => {
      for (const queue of queues) {
        if (this.#queues.get(queue.description.queue) === queue) this.#queues.delete(queue.description.queue);
      }
      if (hasFilter) this.#filter = null;
    };
    return {
      ports,
      setFilter: (filter: PacketFilter): void => {
        if (!hasFilter) throw new XdpSocketError("InvalidConfig", "the sockets were built without a filter");
        this.#filter = compileFilter(filter);
      },
      stopRedirecting,
      [Symbol.dispose]: () => {
        if (ports.some((port) => this.#queues.get(port.queue)?.description === port.lend()))
          stopRedirecting();
        for (const port of ports) port[Symbol.dispose]();
      },
    };
  }

  #describe(config: XskConfig, queue: number, umem: SharedArrayBuffer): SimulatedPortDescription {
    const ring = (name: RingName): RingMemory => ({
      buffer: new SharedArrayBuffer(simulatedOffsets.entries + config.rings[name] * entryBytes[name]),
      offsets: simulatedOffsets,
      size: config.rings[name],
    });
    const state = stateMemory();
    new Int32Array(state)[word.txSeed] = this.#options.seed;
    return {
      kind: "simulated",
      queue,
      layout: config.frames,
      umem,
      rings: { rx: ring("rx"), tx: ring("tx"), fill: ring("fill"), completion: ring("completion") },
      wire: wireMemory(this.#options.wireBytes),
      state,
    };
  }

  /** Conditions of the link from here on, each direction. */
  setConditions({
    receive = {},
    transmit = {},
  }: {
    receive?: LinkConditions;
    transmit?: LinkConditions;
  }): void {
    this.#receive = { ...this.#receive, ...receive };
    this.#transmit = { ...this.#transmit, ...transmit };
    for (const queue of this.#queues.values())
      queue.setTransmit(this.#transmit.lossPerMille, this.#transmit.latencyMs);
  }

  /** A packet arrives; with a latency it says "received" at once and arrives later. */
  inject(packet: Uint8Array, queue = 0): InjectResult {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    if (this.#filter !== null && !matchesFilter(this.#filter, view, 0, packet.length)) return "passed";
    if (nextRandom(this.#random, 0) < this.#receive.lossPerMille) return "lost";
    if (this.#receive.latencyMs === 0) return this.#deliver(packet, queue);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#deliver(packet, queue);
    }, this.#receive.latencyMs);
    this.#timers.add(timer);
    return "received";
  }

  #deliver(packet: Uint8Array, queue: number): InjectResult {
    return this.#removed ? "dropped" : (this.#queues.get(queue)?.receive(packet) ?? "passed");
  }

  /** The oldest packet that a queue has sent; null when none is due. */
  collect(queue = 0): Uint8Array | null {
    return this.#queues.get(queue)?.collect(performance.timeOrigin + performance.now()) ?? null;
  }

  /** All that are due. */
  *collectAll(queue = 0): Generator<Uint8Array> {
    for (let packet = this.collect(queue); packet !== null; packet = this.collect(queue)) yield packet;
  }

  /** As `ip link delete`: everything that uses it learns so. */
  remove(): void {
    this.#removed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const queue of this.#queues.values()) queue.remove();
  }
}
