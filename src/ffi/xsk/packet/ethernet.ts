/** Ethernet (IEEE 802.3) and its VLAN tag (802.1Q). */
import { Header } from "./header.ts";

export class EthernetHeader extends Header {
  static readonly bytes = 14;

  /** Six bytes within the packet: writing to them changes it. */
  get destination(): Uint8Array {
    return this.bytes(0, 6);
  }

  get source(): Uint8Array {
    return this.bytes(6, 6);
  }

  /** As it stands after the addresses: of a tagged frame that of the tag. */
  get etherType(): number {
    return this.u16(12);
  }

  set etherType(value: number) {
    this.setU16(12, value);
  }

  setDestination(mac: Uint8Array): void {
    this.bytes(0, 6).set(mac);
  }

  setSource(mac: Uint8Array): void {
    this.bytes(6, 6).set(mac);
  }

  /** Back to where it came from; makes no object. */
  swapAddresses(): void {
    for (let at = 0; at < 6; at += 2) {
      const word = this.u16(at);
      this.setU16(at, this.u16(at + 6));
      this.setU16(at + 6, word);
    }
  }
}

/** Tag of four bytes that stands in the place of the EtherType. */
export class VlanTag extends Header {
  static readonly bytes = 4;

  get id(): number {
    return this.u16(2) & 0x0fff;
  }

  set id(value: number) {
    this.setU16(2, (this.u16(2) & 0xf000) | (value & 0x0fff));
  }

  get priority(): number {
    return this.u16(2) >> 13;
  }

  set priority(value: number) {
    this.setU16(2, (this.u16(2) & 0x1fff) | ((value & 7) << 13));
  }

  /** EtherType of what follows the tag. */
  get innerEtherType(): number {
    return this.u16(4);
  }
}
