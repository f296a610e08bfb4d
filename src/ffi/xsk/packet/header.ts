/** What all header views share: a place in a packet, and the lease that says for how long. */
import { forever, stale } from "../lease.ts";
import type { Lease } from "../lease.ts";

const empty: DataView = new DataView(new ArrayBuffer(0));

/** A view of one header. It is moved from packet to packet, and copies nothing. */
export abstract class Header {
  #view: DataView = empty;
  #at = 0;
  #lease: Lease = forever;
  #term = -1;

  /** Puts the view on a header. Callers have checked that its bytes are there. */
  place(view: DataView, at: number, lease: Lease = forever): this {
    this.#view = view;
    this.#at = at;
    this.#lease = lease;
    this.#term = lease.term;
    return this;
  }

  /** Offset of the header in the view. */
  get at(): number {
    return this.#at;
  }

  /** @throws XdpSocketError StalePacket */
  protected get view(): DataView {
    if (this.#lease.term !== this.#term) stale();
    return this.#view;
  }

  protected u8(offset: number): number {
    return this.view.getUint8(this.#at + offset);
  }

  protected u16(offset: number): number {
    return this.view.getUint16(this.#at + offset);
  }

  protected u32(offset: number): number {
    return this.view.getUint32(this.#at + offset);
  }

  protected setU8(offset: number, value: number): void {
    this.view.setUint8(this.#at + offset, value);
  }

  protected setU16(offset: number, value: number): void {
    this.view.setUint16(this.#at + offset, value);
  }

  protected setU32(offset: number, value: number): void {
    this.view.setUint32(this.#at + offset, value);
  }

  /** Bytes of the header as they stand in the packet; it makes an object. */
  protected bytes(offset: number, length: number): Uint8Array {
    const { view } = this;
    return new Uint8Array(view.buffer, view.byteOffset + this.#at + offset, length);
  }
}
