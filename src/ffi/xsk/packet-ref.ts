/** A packet within a callback of an engine: a view of its frame, with a verdict. */
import type { Packet, PacketOwner } from "./packet.ts";
import type { Lease } from "./lease.ts";
import { PacketView } from "./packet/packet-view.ts";
import { EthernetHeader } from "./packet/ethernet.ts";

/** What becomes of the frame after the callback. */
export const verdict = { drop: 0, send: 1, keep: 2 } as const;
export type Verdict = (typeof verdict)[keyof typeof verdict];

/**
 * Valid until the callback returns; then everything about it throws. The object is used again for a packet of the next
 * batch, so one that is kept must not be looked at later: debug mode makes a new one each time, and finds all who do.
 */
export class PacketRef extends PacketView {
  #verdict: Verdict = verdict.drop;
  readonly #owner: PacketOwner;

  constructor(memory: DataView, lease: Lease, owner: PacketOwner) {
    super(memory, lease);
    this.#owner = owner;
  }

  /** For the engine: puts the view on a packet at an address of the UMEM. */
  show(address: number, lengthBytes: number): void {
    const { frameSizeBytes } = this.#owner.frames;
    const floor = address & ~(frameSizeBytes - 1);
    this.#verdict = verdict.drop;
    this.place(address, lengthBytes, floor, floor + frameSizeBytes);
  }

  /** Sends the packet as it is when the callback returns. False: it is too short for an Ethernet header. */
  send(): boolean {
    this.check();
    if (this.byteLength < EthernetHeader.bytes) return false;
    this.#verdict = verdict.send;
    return true;
  }

  /** Ends the packet here, which is what happens to all that are not sent. */
  drop(): void {
    this.check();
    this.#verdict = verdict.drop;
  }

  /** Takes the packet out of the batch, to be kept as long as needed. It must be released, or sent. */
  detach(): Packet {
    this.check();
    this.#verdict = verdict.keep;
    const packet = this.#owner.adopt(this.start, this.byteLength);
    this.retire();
    return packet;
  }

  /** For the engine, after the callback: what was decided, and about which bytes. */
  get outcome(): Verdict {
    return this.#verdict;
  }

  get address(): number {
    return this.start;
  }

  get bytesToSend(): number {
    return this.byteLength;
  }
}
