/** The user's side of a simulated socket: what the system calls would do, on shared memory. */
import { XdpSocketError } from "../errors.ts";
import type { RingMemory } from "../layout.ts";
import { kickResult } from "../port.ts";
import type { KickResult, SimulatedPortDescription, XskPort, XskStatistics } from "../port.ts";
import { AddressProducer, DescriptorConsumer } from "../rings.ts";
import { nextRandom, statisticsOf, word } from "./state.ts";
import { Wire } from "./wire.ts";

/** Descriptors that one call takes: TX_BATCH_SIZE of net/xdp/xsk.c. */
const perKick = 32;

export class SimulatedPort implements XskPort {
  readonly queue: number;
  readonly umem: SharedArrayBuffer;
  readonly rx: RingMemory;
  readonly tx: RingMemory;
  readonly fill: RingMemory;
  readonly completion: RingMemory;
  readonly isZeroCopy = false;
  readonly usesNeedWakeup = true;
  readonly #description: SimulatedPortDescription;
  readonly #bytes: Uint8Array;
  readonly #state: Int32Array;
  readonly #wire: Wire;
  /** The kernel's ends of tx and completion. */
  readonly #sent: DescriptorConsumer;
  readonly #completed: AddressProducer;
  #open = true;
  #interrupts = 0;

  constructor(description: SimulatedPortDescription) {
    this.#description = description;
    this.queue = description.queue;
    this.umem = description.umem;
    this.rx = description.rings.rx;
    this.tx = description.rings.tx;
    this.fill = description.rings.fill;
    this.completion = description.rings.completion;
    this.#bytes = new Uint8Array(description.umem);
    this.#state = new Int32Array(description.state);
    this.#wire = new Wire(description.wire);
    this.#sent = new DescriptorConsumer(description.rings.tx);
    this.#completed = new AddressProducer(description.rings.completion);
    // In copy mode the kernel sends only when it is called.
    this.#sent.setNeedsWakeup(true);
  }

  kick(): KickResult {
    if (this.#isGone()) return kickResult.gone;
    const count = this.#sent.available(perKick + 1);
    for (let at = 0; at < count; at++) {
      if (at === perKick) return kickResult.again;
      const address = this.#sent.address(0);
      const length = this.#sent.lengthBytes(0);
      if (!this.#isValid(address, length, this.#sent.options(0))) {
        // As the kernel: counted, skipped, and its frame never comes back.
        Atomics.add(this.#state, word.txInvalidDescriptors, 1);
        this.#sent.release(1);
        continue;
      }
      if (this.#completed.room(1) === 0 || !this.#wire.hasRoom(length)) return kickResult.again;
      const lost = nextRandom(this.#state, word.txSeed) < Atomics.load(this.#state, word.txLoss);
      const dueAtMs =
        performance.timeOrigin + performance.now() + Atomics.load(this.#state, word.txLatencyMs);
      if (!lost) this.#wire.put(this.#bytes, address, length, dueAtMs);
      this.#sent.release(1);
      this.#completed.write(0, address);
      this.#completed.submit(1);
    }
    if (count === 0) Atomics.add(this.#state, word.txRingEmpty, 1);
    return kickResult.done;
  }

  /** Within one frame, and without options (xp_aligned_validate_desc). */
  #isValid(address: number, length: number, options: number): boolean {
    const { frameSizeBytes, frameCount } = this.#description.layout;
    const offset = address & (frameSizeBytes - 1);
    return (
      options === 0 &&
      length > 0 &&
      offset + length <= frameSizeBytes &&
      address < frameCount * frameSizeBytes
    );
  }

  wakeReceive(): void {
    if (!this.#open) throw new Error("simulated socket used after it was closed");
  }

  wait(timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const arrivals = Atomics.load(this.#state, word.arrivals);
      if (this.#isReadable()) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#state, word.arrivals, arrivals, left);
    }
  }

  /** Threads can wait for one word only: several queues are waited for in turn, for a millisecond each. */
  waitAmong(ports: readonly XskPort[], timeoutMs: number): boolean {
    if (ports.length === 1) return this.wait(timeoutMs);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (ports.some((port) => port.wait(1))) return true;
      if (performance.now() >= deadline) return false;
    }
  }

  async ready(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    const interrupts = this.#interrupts;
    for (;;) {
      const arrivals = Atomics.load(this.#state, word.arrivals);
      if (this.#isReadable()) return true;
      const left = deadline - performance.now();
      if (left <= 0 || !this.#open || interrupts !== this.#interrupts) return false;
      const waiting = Atomics.waitAsync(this.#state, word.arrivals, arrivals, left);
      if (waiting.async) await waiting.value;
    }
  }

  /** @throws XdpSocketError DeviceGone */
  #isReadable(): boolean {
    if (this.#isGone()) {
      throw new XdpSocketError("DeviceGone", `queue ${this.queue} cannot be used any more`, {
        why: "the simulated device was removed",
        data: { queue: this.queue },
      });
    }
    const words = new Int32Array(this.rx.buffer);
    const { producer, consumer } = this.rx.offsets;
    return Atomics.load(words, producer >> 2) !== Atomics.load(words, consumer >> 2);
  }

  #isGone(): boolean {
    return Atomics.load(this.#state, word.gone) !== 0;
  }

  interrupt(): void {
    this.#interrupts += 1;
    this.#lookAgain();
  }

  /** Wakes whoever waits. */
  #lookAgain(): void {
    Atomics.add(this.#state, word.arrivals, 1);
    Atomics.notify(this.#state, word.arrivals);
  }

  statistics(): XskStatistics {
    return statisticsOf(this.#state);
  }

  /** The same memory: garbage collection is its owner. */
  lend(): SimulatedPortDescription {
    return this.#description;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#lookAgain();
  }
}
