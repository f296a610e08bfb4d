/** IPv4 (RFC 791). Addresses are numbers: 10.0.0.2 is 0x0a000002. */
import { adjustChecksum, foldChecksum, sumWords } from "./checksum.ts";
import { Header } from "./header.ts";

export class Ipv4Header extends Header {
  static readonly bytes = 20;

  /** 20 to 60. */
  get headerBytes(): number {
    return (this.u8(0) & 0x0f) * 4;
  }

  get tos(): number {
    return this.u8(1);
  }

  /** Header and payload. After a change the check sum is to be made again. */
  get totalBytes(): number {
    return this.u16(2);
  }

  set totalBytes(value: number) {
    this.setU16(2, value);
  }

  get identification(): number {
    return this.u16(4);
  }

  get isFragment(): boolean {
    return (this.u16(6) & 0x3fff) !== 0;
  }

  get ttl(): number {
    return this.u8(8);
  }

  /** Keeps the check sum right. */
  set ttl(value: number) {
    const before = this.u16(8);
    this.setU8(8, value);
    this.checksum = adjustChecksum(this.checksum, before, this.u16(8));
  }

  get protocol(): number {
    return this.u8(9);
  }

  get checksum(): number {
    return this.u16(10);
  }

  set checksum(value: number) {
    this.setU16(10, value);
  }

  get source(): number {
    return this.u32(12);
  }

  set source(value: number) {
    this.setU32(12, value);
  }

  get destination(): number {
    return this.u32(16);
  }

  set destination(value: number) {
    this.setU32(16, value);
  }

  /** Neither this check sum nor that of TCP and UDP changes by it: a sum has no order. */
  swapAddresses(): void {
    const { source } = this;
    this.source = this.destination;
    this.destination = source;
  }

  updateChecksum(): void {
    this.checksum = 0;
    this.checksum = foldChecksum(sumWords(this.view, this.at, this.headerBytes));
  }

  isChecksumRight(): boolean {
    return foldChecksum(sumWords(this.view, this.at, this.headerBytes)) === 0;
  }
}
