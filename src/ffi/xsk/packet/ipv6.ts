/** IPv6 (RFC 8200), the fixed header. Addresses are 16 bytes within the packet. */
import { Header } from "./header.ts";

export class Ipv6Header extends Header {
  static readonly bytes = 40;

  get trafficClass(): number {
    return (this.u16(0) >> 4) & 0xff;
  }

  get flowLabel(): number {
    return this.u32(0) & 0x000f_ffff;
  }

  get payloadBytes(): number {
    return this.u16(4);
  }

  set payloadBytes(value: number) {
    this.setU16(4, value);
  }

  /** The protocol, or the number of an extension header. */
  get nextHeader(): number {
    return this.u8(6);
  }

  get hopLimit(): number {
    return this.u8(7);
  }

  set hopLimit(value: number) {
    this.setU8(7, value);
  }

  get source(): Uint8Array {
    return this.bytes(8, 16);
  }

  get destination(): Uint8Array {
    return this.bytes(24, 16);
  }

  swapAddresses(): void {
    for (let at = 8; at < 24; at += 4) {
      const word = this.u32(at);
      this.setU32(at, this.u32(at + 16));
      this.setU32(at + 16, word);
    }
  }
}
