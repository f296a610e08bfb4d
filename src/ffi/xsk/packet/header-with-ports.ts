/** What TCP and UDP headers begin with. */
import { Header } from "./header.ts";

export class HeaderWithPorts extends Header {
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

  swapPorts(): void {
    const { sourcePort } = this;
    this.sourcePort = this.destinationPort;
    this.destinationPort = sourcePort;
  }
}
