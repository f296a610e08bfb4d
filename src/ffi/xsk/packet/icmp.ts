/** ICMP (RFC 792) and ICMPv6 (RFC 4443): the part that both have. */
import { adjustChecksum } from "./checksum.ts";
import { Header } from "./header.ts";

export class IcmpHeader extends Header {
  static readonly bytes = 8;

  get type(): number {
    return this.u8(0);
  }

  /** Keeps the check sum right. */
  set type(value: number) {
    const before = this.u16(0);
    this.setU8(0, value);
    this.setU16(2, adjustChecksum(this.u16(2), before, this.u16(0)));
  }

  get code(): number {
    return this.u8(1);
  }

  get checksum(): number {
    return this.u16(2);
  }

  /** Of an echo. */
  get identifier(): number {
    return this.u16(4);
  }

  get sequence(): number {
    return this.u16(6);
  }
}
