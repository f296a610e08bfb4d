/** UDP (RFC 768). Check sums: `updateChecksums` of the packet. */
import { Header } from "./header.ts";

export class UdpHeader extends Header {
  static readonly bytes = 8;

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

  /** Header and payload, as the header says. */
  get lengthBytes(): number {
    return this.u16(4);
  }

  set lengthBytes(value: number) {
    this.setU16(4, value);
  }

  /** 0 over IPv4: none. */
  get checksum(): number {
    return this.u16(6);
  }

  swapPorts(): void {
    const { sourcePort } = this;
    this.sourcePort = this.destinationPort;
    this.destinationPort = sourcePort;
  }
}
