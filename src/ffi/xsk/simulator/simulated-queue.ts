/** The kernel's receive side of a simulated socket: what happens to a packet that the filter has taken. */
import { kernelHeadroomBytes, maxPacketBytes } from "../layout.ts";
import type { SimulatedPortDescription } from "../port.ts";
import { AddressConsumer, DescriptorProducer } from "../rings.ts";
import { word } from "./state.ts";
import { Wire } from "./wire.ts";

/** What became of a packet that was injected. */
export const injectResults = ["received", "dropped", "passed", "lost"] as const;
/** passed: the filter left it to the stack; dropped: no frame or no room; lost: by the link's loss rate. */
export type InjectResult = (typeof injectResults)[number];

export class SimulatedQueue {
  readonly description: SimulatedPortDescription;
  readonly #bytes: Uint8Array;
  readonly #state: Int32Array;
  readonly #wire: Wire;
  readonly #filled: AddressConsumer;
  readonly #received: DescriptorProducer;

  constructor(description: SimulatedPortDescription) {
    this.description = description;
    this.#bytes = new Uint8Array(description.umem);
    this.#state = new Int32Array(description.state);
    this.#wire = new Wire(description.wire);
    this.#filled = new AddressConsumer(description.rings.fill);
    this.#received = new DescriptorProducer(description.rings.rx);
    // In copy mode the kernel finds new frames by itself.
    this.#filled.setNeedsWakeup(false);
  }

  /** Copies a packet into the next frame of the fill ring (xsk_rcv). */
  receive(packet: Uint8Array): InjectResult {
    const { layout } = this.description;
    if (packet.length > maxPacketBytes(layout)) return this.#drop(word.rxDropped);
    if (this.#filled.available(1) === 0) {
      Atomics.add(this.#state, word.rxDropped, 1);
      return this.#drop(word.rxFillRingEmpty);
    }
    if (this.#received.room(1) === 0) return this.#drop(word.rxRingFull);
    const frame = this.#filled.address(0) & ~(layout.frameSizeBytes - 1);
    const address = frame + kernelHeadroomBytes + layout.headroomBytes;
    this.#bytes.set(packet, address);
    this.#filled.release(1);
    this.#received.write(0, address, packet.length);
    this.#received.submit(1);
    this.#notify();
    return "received";
  }

  /** The oldest packet that was sent and is due. */
  collect(nowMs: number): Uint8Array | null {
    return this.#wire.take(nowMs);
  }

  /** The device goes: everything that is tried from now on finds it gone. */
  remove(): void {
    Atomics.store(this.#state, word.gone, 1);
    this.#notify();
  }

  setTransmit(lossPerMille: number, latencyMs: number): void {
    Atomics.store(this.#state, word.txLoss, lossPerMille);
    Atomics.store(this.#state, word.txLatencyMs, latencyMs);
  }

  #drop(counter: number): InjectResult {
    Atomics.add(this.#state, counter, 1);
    return "dropped";
  }

  #notify(): void {
    Atomics.add(this.#state, word.arrivals, 1);
    Atomics.notify(this.#state, word.arrivals);
  }
}
