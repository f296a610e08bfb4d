/** TCP (RFC 9293). Check sums: `updateChecksums` of the packet. */
import { HeaderWithPorts } from "./header-with-ports.ts";

export class TcpHeader extends HeaderWithPorts {
  static readonly bytes = 20;

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
}
