/** Packets to own: received in batches by `for await`, sent by any number of senders. */
import { Channel } from "./channel.ts";
import { DescriptorBatch } from "./descriptor-batch.ts";
import { XdpSocketError } from "./errors.ts";
import { place } from "./frames.ts";
import type { FrameCounts } from "./frames.ts";
import type { PacketFilter } from "./filter.ts";
import { packetOffset } from "./layout.ts";
import { PacketOwner } from "./packet.ts";
import type { OnLeak, Packet } from "./packet.ts";
import type { XskStatistics } from "./port.ts";
import type { RawXsk } from "./raw-socket.ts";
import { Sender } from "./sender.ts";
import type { XskSockets } from "./sockets.ts";

export interface SystemOptions {
  /** Packets that wait for `batches` (default 1024). More stay on the rx ring, and then the kernel drops. */
  readonly queue?: number;
  /** Called when a packet was thrown away unreleased (default: a process warning). */
  readonly onLeak?: OnLeak;
}

/** A wait ends by itself after so long: that a device is gone is found out then. */
const waitMs = 200;
/** While packets are out that have to come back, or the reader is slower than the network. */
const shortWaitMs = 1;

export class XskSystem implements AsyncDisposable {
  readonly #sockets: XskSockets;
  readonly #owner: PacketOwner;
  readonly #received: Channel<Packet>;
  readonly #descriptors: DescriptorBatch;
  readonly #pumps: Promise<void>;
  readonly #senders = new Set<Sender>();
  #open = true;

  constructor(sockets: XskSockets, { queue = 1024, onLeak }: SystemOptions = {}) {
    this.#sockets = sockets;
    this.#owner = new PacketOwner(sockets.frames, sockets.socket.memory, onLeak);
    this.#received = new Channel(queue);
    this.#descriptors = new DescriptorBatch(sockets.config.batchSize);
    this.#pumps = Promise.all(sockets.sockets.map((socket) => this.#pump(socket))).then(
      () => undefined,
      (error: unknown) => this.#received.close(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Batches as they come; each packet is the reader's, to release or to send. Ends when the system is closed. */
  async *batches(): AsyncGenerator<Packet[]> {
    for (;;) {
      const batch = await this.#received.take(this.#sockets.config.batchSize);
      if (batch.length === 0) return;
      yield batch;
    }
  }

  /** A new packet of so many bytes, whatever stood in its frame; null: no frame is free, or it would not fit. */
  create(lengthBytes: number): Packet | null {
    this.#check();
    const { config } = this.#sockets;
    if (lengthBytes > config.frames.frameSizeBytes - packetOffset(config.frames)) return null;
    for (const socket of this.#sockets.sockets) socket.reclaim();
    const address = this.#sockets.socket.allocate(place.rx);
    return address < 0 ? null : this.#owner.adopt(address, lengthBytes, place.rx);
  }

  /** One more sender, on a queue of the system. Senders of one queue share its tx ring. */
  sender(queue?: number): Sender {
    this.#check();
    const socket = this.#sockets.sockets.find((each) => queue === undefined || each.queue === queue);
    if (socket === undefined) throw new XdpSocketError("InvalidConfig", `the system has no queue ${queue}`);
    const sender = new Sender(socket, () => this.#senders.delete(sender));
    this.#senders.add(sender);
    return sender;
  }

  /** Packets that were thrown away unreleased, and recovered. */
  get leaks(): number {
    return this.#owner.leaks;
  }

  frameCounts(): FrameCounts {
    return this.#sockets.frameCounts();
  }

  statistics(): XskStatistics {
    return this.#sockets.socket.statistics();
  }

  setFilter(filter: PacketFilter): void {
    this.#sockets.setFilter(filter);
  }

  /** Moves packets of one queue into the channel. */
  async #pump(socket: RawXsk): Promise<void> {
    while (this.#open) {
      socket.reclaim();
      socket.refill();
      const { room } = this.#received;
      let count = 0;
      if (room >= this.#descriptors.capacity) {
        count = socket.receive(this.#descriptors);
        for (let at = 0; at < count; at++) {
          const { addresses, lengths } = this.#descriptors;
          this.#received.put(this.#owner.adopt(addresses[at] ?? 0, lengths[at] ?? 0));
        }
        if (count > 0) {
          await new Promise(setImmediate);
          continue;
        }
        await socket.ready(socket.kick() ? waitMs : shortWaitMs);
      } else {
        // The reader is behind: the rx ring keeps what comes.
        await new Promise((resolve) => setTimeout(resolve, shortWaitMs));
      }
    }
  }

  #check(): void {
    if (this.#open) return;
    throw new XdpSocketError("Closed", "the system was used after it was closed");
  }

  /** Ends `batches`. Packets that are still owned become stale with the memory behind them. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    for (const socket of this.#sockets.sockets) socket.interrupt();
    await this.#pumps;
    for (const sender of this.#senders) sender[Symbol.dispose]();
    this.#received.close();
    this.#owner.close();
    this.#sockets[Symbol.dispose]();
  }
}
