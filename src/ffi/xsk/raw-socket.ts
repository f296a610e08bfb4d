/**
 * One socket: its rings, and the way of its frames through them. One thread uses a socket at a time, with all its rings:
 * frames that come back on the completion ring go to the fill ring.
 */
import type { DescriptorBatch } from "./descriptor-batch.ts";
import { XdpSocketError } from "./errors.ts";
import { place } from "./frames.ts";
import type { FrameAllocator, Place } from "./frames.ts";
import { continuedOption, packetOffset } from "./layout.ts";
import type { FrameLayout } from "./layout.ts";
import { kickResult } from "./port.ts";
import type { KickResult, PortDescription, XskPort, XskStatistics } from "./port.ts";
import { AddressConsumer, AddressProducer, DescriptorConsumer, DescriptorProducer } from "./rings.ts";

/** In copy mode the kernel takes 32 descriptors a call (TX_BATCH_SIZE in net/xdp/xsk.c). */
const minPerKick = 32;

/** A socket as plain data, to be used in another thread. */
export interface SocketHandle {
  readonly port: PortDescription;
  readonly layout: FrameLayout;
  readonly frames: SharedArrayBuffer;
  readonly fillTarget: number;
  readonly filled: number;
}

export class RawXsk implements Disposable {
  readonly queue: number;
  readonly isZeroCopy: boolean;
  readonly rx: DescriptorConsumer;
  readonly tx: DescriptorProducer;
  readonly fill: AddressProducer;
  readonly completion: AddressConsumer;
  readonly frames: FrameAllocator;
  readonly layout: FrameLayout;
  /** All frames. A descriptor's address is an offset in it. */
  readonly memory: DataView;
  readonly bytes: Uint8Array;
  /** Packets of several frames that were dropped whole: they need XDP_USE_SG, which is not asked for. */
  fragmentsDropped = 0;
  readonly #port: XskPort;
  readonly #fillTarget: number;
  /** Frames that the kernel has for receiving, those on the rx ring included. */
  #filled: number;
  #inFragments = false;
  #usable = true;

  constructor(port: XskPort, frames: FrameAllocator, layout: FrameLayout, fillTarget: number, filled = 0) {
    this.#port = port;
    this.queue = port.queue;
    this.isZeroCopy = port.isZeroCopy;
    this.rx = new DescriptorConsumer(port.rx);
    this.tx = new DescriptorProducer(port.tx);
    this.fill = new AddressProducer(port.fill);
    this.completion = new AddressConsumer(port.completion);
    this.frames = frames;
    this.layout = layout;
    this.memory = new DataView(port.umem);
    this.bytes = new Uint8Array(port.umem);
    this.#fillTarget = fillTarget;
    this.#filled = filled;
  }

  /** Frames that were sent become free. Returns how many. */
  reclaim(): number {
    this.#check();
    const { completion, frames } = this;
    let total = 0;
    for (;;) {
      const count = completion.available(completion.size);
      if (count === 0) return total;
      for (let at = 0; at < count; at++) frames.free(frames.frameOf(completion.address(at)), place.tx);
      completion.release(count);
      total += count;
    }
  }

  /** Gives the kernel frames to receive into, up to the socket's share. Returns how many. */
  refill(): number {
    this.#check();
    const { fill, frames } = this;
    const want = Math.min(this.#fillTarget - this.#filled, frames.freeCount);
    if (want <= 0) return 0;
    const count = fill.room(want);
    for (let at = 0; at < count; at++) fill.write(at, frames.addressOf(frames.take(place.fill)));
    if (count > 0) {
      fill.submit(count);
      this.#filled += count;
      if (this.#port.usesNeedWakeup && fill.needsWakeup()) this.#port.wakeReceive();
    }
    return count;
  }

  /** Takes what has come into a batch, which it overwrites. The frames are in place `rx` then. Returns how many. */
  receive(batch: DescriptorBatch): number {
    this.#check();
    const { rx, frames } = this;
    const { addresses, lengths } = batch;
    const count = rx.available(batch.capacity);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const address = rx.address(at);
      const frame = frames.frameOf(address);
      frames.move(frame, place.fill, place.rx);
      const goesOn = (rx.options(at) & continuedOption) !== 0;
      if (goesOn || this.#inFragments) {
        frames.free(frame, place.rx);
        if (!goesOn) this.fragmentsDropped += 1;
        this.#inFragments = goesOn;
        continue;
      }
      addresses[kept] = address;
      lengths[kept] = rx.lengthBytes(at);
      kept += 1;
    }
    if (count > 0) {
      rx.release(count);
      this.#filled -= count;
    }
    batch.count = kept;
    return kept;
  }

  /**
   * Puts packets of a batch on the tx ring, from its `first` on; `kick` has them sent. Returns how many went: fewer when
   * the ring is full, and the rest stays the caller's.
   */
  send(batch: DescriptorBatch, first = 0, from: Place = place.rx): number {
    this.#check();
    const { tx, frames } = this;
    const { addresses, lengths } = batch;
    const count = tx.room(batch.count - first);
    for (let at = 0; at < count; at++) {
      const address = addresses[first + at] ?? 0;
      frames.move(frames.frameOf(address), from, place.tx);
      tx.write(at, address, lengths[first + at] ?? 0);
    }
    if (count > 0) tx.submit(count);
    return count;
  }

  /** Puts one packet on the tx ring. False: it is full. */
  sendOne(frame: number, address: number, lengthBytes: number, from: Place): boolean {
    this.#check();
    if (this.tx.room(1) === 0) return false;
    this.frames.move(frame, from, place.tx);
    this.tx.write(0, address, lengthBytes);
    this.tx.submit(1);
    return true;
  }

  /** A free frame for a packet of our own, as the address where it starts; -1 when none is free. */
  allocate(to: Place = place.rx): number {
    this.#check();
    const frame = this.frames.take(to);
    return frame < 0 ? -1 : this.frames.addressOf(frame) + packetOffset(this.layout);
  }

  /** Gives back a frame that was received or allocated. */
  drop(address: number, from: Place = place.rx): void {
    this.frames.free(this.frames.frameOf(address), from);
  }

  /**
   * Has the kernel take what is on the tx ring, as often as it takes some. True: all of it; false: it is busy, and wants
   * to be called again later. @throws XdpSocketError DeviceGone
   */
  kick(): boolean {
    this.#check();
    const { tx } = this;
    let pending = tx.pending();
    // Bounded: every call but the last takes some.
    for (let calls = 0; calls <= tx.size / minPerKick + 1; calls++) {
      if (pending === 0 || (this.#port.usesNeedWakeup && !tx.needsWakeup())) return true;
      const result: KickResult = this.#port.kick();
      if (result === kickResult.gone) throw this.#gone();
      if (result === kickResult.done) return true;
      const left = tx.pending();
      if (left === pending) return left === 0;
      pending = left;
      // Completions make room for the next; without it, a completion ring that is full would stop the sending.
      this.reclaim();
    }
    return false;
  }

  /** Blocks the thread until a packet has come. */
  wait(timeoutMs: number): boolean {
    this.#check();
    return this.#port.wait(timeoutMs);
  }

  /** Blocks the thread until a packet has come to any of several sockets of one interface, this one among them. */
  waitAmong(sockets: readonly RawXsk[], timeoutMs: number): boolean {
    for (const socket of sockets) socket.#check();
    return this.#port.waitAmong(
      sockets.map((socket) => socket.#port),
      timeoutMs,
    );
  }

  /** Until a packet has come, without blocking. */
  async ready(timeoutMs: number): Promise<boolean> {
    this.#check();
    return await this.#port.ready(timeoutMs);
  }

  /** Ends what waits in `ready`; it resolves as at the end of its time. */
  interrupt(): void {
    if (this.#usable) this.#port.interrupt();
  }

  statistics(): XskStatistics {
    this.#check();
    return this.#port.statistics();
  }

  /**
   * For another thread: `attachSocket(handle)` there. This object refuses everything from now on. Both sides close, in
   * any order: the socket lives until the last has.
   */
  handOver(): SocketHandle {
    this.#check();
    this.#usable = false;
    return {
      port: this.#port.lend(),
      layout: this.layout,
      frames: this.frames.memory,
      fillTarget: this.#fillTarget,
      filled: this.#filled,
    };
  }

  /** Lets go of the socket. */
  [Symbol.dispose](): void {
    this.#usable = false;
    this.#port[Symbol.dispose]();
  }

  #gone(): XdpSocketError {
    return new XdpSocketError("DeviceGone", `queue ${this.queue} cannot be used any more`, {
      why: "its interface was removed or taken down",
    });
  }

  #check(): void {
    if (this.#usable) return;
    throw new XdpSocketError("Closed", `the socket of queue ${this.queue} cannot be used`, {
      why: "it was closed, or handed to another thread",
    });
  }
}
