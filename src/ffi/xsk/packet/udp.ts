/** UDP (RFC 768). Check sums: `updateChecksums` of the packet. */
import { HeaderWithPorts } from "./header-with-ports.ts";

export class UdpHeader extends HeaderWithPorts {
  static readonly bytes = 8;

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
}
