/** One of several who send on a queue. */
import { XdpSocketError } from "./errors.ts";
import { place } from "./frames.ts";
import type { Packet } from "./packet.ts";
import type { RawXsk } from "./raw-socket.ts";
import { EthernetHeader } from "./packet/ethernet.ts";

/** Between looks whether a full ring has room again. */
const retryMs = 1;

export class Sender implements Disposable {
  /** Packets that went on the ring. */
  sent = 0;
  readonly #socket: RawXsk;
  readonly #onClosed: () => void;
  #open = true;
  #kicking = false;

  constructor(socket: RawXsk, onClosed: () => void) {
    this.#socket = socket;
    this.#onClosed = onClosed;
  }

  /**
   * Puts a packet on the tx ring, and ends it; the kernel is called once for all that are sent in one go. False: the ring
   * is full, or the packet shorter than an Ethernet header; it stays the caller's.
   */
  send(packet: Packet): boolean {
    if (!this.#open) throw new XdpSocketError("Closed", "a sender was used after it was closed");
    if (packet.length < EthernetHeader.bytes) return false;
    const put = packet.handOn((frame, address, length) => this.#put(frame, address, length));
    if (!put) return false;
    this.sent += 1;
    if (!this.#kicking) {
      this.#kicking = true;
      queueMicrotask(() => this.#kick());
    }
    return true;
  }

  #put(frame: number, address: number, lengthBytes: number): boolean {
    if (this.#socket.sendOne(frame, address, lengthBytes, place.user)) return true;
    // What was sent may make room.
    this.#socket.kick();
    this.#socket.reclaim();
    return this.#socket.sendOne(frame, address, lengthBytes, place.user);
  }

  /** Waits until `send` would find room, or the time is over: false. */
  async room(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.#open) {
      this.#socket.kick();
      this.#socket.reclaim();
      if (this.#socket.tx.room(1) > 0) return true;
      if (performance.now() >= deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return false;
  }

  #kick(): void {
    this.#kicking = false;
    if (!this.#open) return;
    try {
      this.#socket.kick();
    } catch (error) {
      // The device is gone: whoever receives or sends next is told.
      if (!(error instanceof XdpSocketError)) throw error;
    }
  }

  /** The others of the queue go on. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#kick();
    this.#open = false;
    this.#onClosed();
  }
}
