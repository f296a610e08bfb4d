/** ARP for IPv4 over Ethernet (RFC 826). Addresses are numbers: 10.0.0.2 is 0x0a000002. */
import { Header } from "./header.ts";

export class ArpHeader extends Header {
  static readonly bytes = 28;

  /** 1 request, 2 reply. */
  get operation(): number {
    return this.u16(6);
  }

  set operation(value: number) {
    this.setU16(6, value);
  }

  get senderMac(): Uint8Array {
    return this.bytes(8, 6);
  }

  get senderAddress(): number {
    return this.u32(14);
  }

  set senderAddress(value: number) {
    this.setU32(14, value);
  }

  get targetMac(): Uint8Array {
    return this.bytes(18, 6);
  }

  get targetAddress(): number {
    return this.u32(24);
  }

  set targetAddress(value: number) {
    this.setU32(24, value);
  }

  /** Turns a request into its reply: the address asked for is at `mac`. */
  answer(mac: Uint8Array): void {
    const asked = this.targetAddress;
    this.operation = 2;
    this.targetMac.set(this.senderMac);
    this.targetAddress = this.senderAddress;
    this.senderMac.set(mac);
    this.senderAddress = asked;
  }
}
