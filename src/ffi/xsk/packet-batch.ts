/** The packets that a callback gets at once. */
import { DescriptorBatch } from "./descriptor-batch.ts";
import { place } from "./frames.ts";
import { Lease } from "./lease.ts";
import type { PacketOwner } from "./packet.ts";
import { PacketRef, verdict } from "./packet-ref.ts";
import type { RawXsk } from "./raw-socket.ts";

/** What became of a batch. */
export interface BatchOutcome {
  received: number;
  sent: number;
  dropped: number;
  kept: number;
  /** Were to be sent, and the tx ring stayed full. */
  unsent: number;
}

/** How often a full tx ring is kicked before the rest is given up. */
const sendTries = 64;

export class PacketBatch {
  readonly #socket: RawXsk;
  readonly #owner: PacketOwner;
  readonly #lease = new Lease();
  readonly #debug: boolean;
  readonly #received: DescriptorBatch;
  readonly #sending: DescriptorBatch;
  readonly #refs: PacketRef[] = [];
  #count = 0;

  constructor(socket: RawXsk, owner: PacketOwner, capacity: number, debug: boolean) {
    this.#socket = socket;
    this.#owner = owner;
    this.#debug = debug;
    this.#received = new DescriptorBatch(capacity);
    // As many again may be made within the callback.
    this.#sending = new DescriptorBatch(capacity * 2);
  }

  /** The queue they came from. */
  get queue(): number {
    return this.#socket.queue;
  }

  /** Packets received, and made by `create`. */
  get length(): number {
    return this.#count;
  }

  /** @throws RangeError */
  at(index: number): PacketRef {
    const ref = index < this.#count ? this.#refs[index] : undefined;
    if (ref === undefined) throw new RangeError(`packet ${index} of ${this.#count}`);
    return ref;
  }

  /** Those that the loop itself creates are not visited. */
  [Symbol.iterator](): IterableIterator<PacketRef> {
    return new BatchIterator(this);
  }

  /**
   * A new packet of so many bytes, whatever stood in its frame; it goes out if `send` is called. null: no frame is free,
   * or the batch has as many new packets as it may have.
   */
  create(lengthBytes: number): PacketRef | null {
    if (this.#count === this.#sending.capacity) return null;
    const address = this.#socket.allocate();
    if (address < 0) return null;
    const ref = this.#show(address, 0);
    if (ref.adjustTail(lengthBytes)) return ref;
    this.#count -= 1;
    this.#socket.drop(address);
    return null;
  }

  #show(address: number, lengthBytes: number): PacketRef {
    const index = this.#count++;
    let ref = this.#refs[index];
    if (ref === undefined || this.#debug) {
      ref = new PacketRef(this.#socket.memory, this.#lease, this.#owner);
      this.#refs[index] = ref;
    }
    ref.show(address, lengthBytes);
    return ref;
  }

  /** For the engine: takes what has come. Returns how many. */
  fetch(): number {
    const received = this.#received;
    const count = this.#socket.receive(received);
    this.#count = 0;
    for (let at = 0; at < count; at++) this.#show(received.addresses[at] ?? 0, received.lengths[at] ?? 0);
    return count;
  }

  /** For the engine: does what the callback decided, and makes its packets stale. With `dropAll`, nothing is sent. */
  settle(outcome: BatchOutcome, dropAll = false): void {
    this.#lease.end();
    const sending = this.#sending;
    sending.count = 0;
    outcome.received += this.#received.count;
    for (let index = 0; index < this.#count; index++) {
      const ref = this.#refs[index];
      if (ref === undefined) continue;
      if (ref.outcome === verdict.keep) {
        outcome.kept += 1;
      } else if (ref.outcome === verdict.send && !dropAll) {
        sending.add(ref.address, ref.bytesToSend);
      } else {
        outcome.dropped += 1;
        this.#socket.drop(ref.address);
      }
    }
    this.#count = 0;
    this.#received.count = 0;
    if (sending.count > 0) this.#send(outcome);
    if (this.#debug) this.#owner.frames.verify();
  }

  #send(outcome: BatchOutcome): void {
    const sending = this.#sending;
    let sent = this.#socket.send(sending);
    this.#socket.kick();
    for (let tries = 0; sent < sending.count && tries < sendTries; tries++) {
      this.#socket.reclaim();
      sent += this.#socket.send(sending, sent);
      this.#socket.kick();
    }
    outcome.sent += sent;
    outcome.unsent += sending.count - sent;
    for (let at = sent; at < sending.count; at++) this.#socket.drop(sending.addresses[at] ?? 0, place.rx);
  }
}

/** One object for a loop, and its result is always the same one: a generator would make one for every packet. */
class BatchIterator implements IterableIterator<PacketRef> {
  readonly #batch: PacketBatch;
  readonly #length: number;
  readonly #result: { value: PacketRef | undefined; done: boolean } = { value: undefined, done: false };
  #next = 0;

  constructor(batch: PacketBatch) {
    this.#batch = batch;
    this.#length = batch.length;
  }

  next(): IteratorResult<PacketRef, undefined> {
    const result = this.#result;
    if (this.#next < this.#length) result.value = this.#batch.at(this.#next++);
    else result.done = true;
    return result as IteratorResult<PacketRef, undefined>;
  }

  [Symbol.iterator](): this {
    return this;
  }
}
