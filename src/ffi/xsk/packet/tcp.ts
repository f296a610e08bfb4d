/** TCP (RFC 9293). Check sums: `updateChecksums` of the packet. */
import { Header } from "./header.ts";

export class TcpHeader extends Header {
  static readonly bytes = 20;

  get sourcePort(): number {
    return this.u16(0);
  }

  set sourcePort(value: number) {
    this.setU16(0, value);
  }

  get destinationPort(): number {
    return this.u16(2);
  }

  set destinationPort(value: number) {
    this.setU16(2, value);
  }

  get sequence(): number {
    return this.u32(4);
  }

  set sequence(value: number) {
    this.setU32(4, value);
  }

  get acknowledgement(): number {
    return this.u32(8);
  }

  set acknowledgement(value: number) {
    this.setU32(8, value);
  }

  /** As the header says; it may be wrong. */
  get headerBytes(): number {
    return (this.u8(12) >> 4) * 4;
  }

  /** Bits as in `tcpFlags`. */
  get flags(): number {
    return this.u8(13);
  }

  set flags(value: number) {
    this.setU8(13, value);
  }

  get window(): number {
    return this.u16(14);
  }

  set window(value: number) {
    this.setU16(14, value);
  }

  get checksum(): number {
    return this.u16(16);
  }

  swapPorts(): void {
    const { sourcePort } = this;
    this.sourcePort = this.destinationPort;
    this.destinationPort = sourcePort;
  }
}
