/**
 * The bytes of one packet in its frame, and its headers. What is read goes straight to the frame; the only objects made
 * are `data`, addresses given as bytes, and the header views themselves, once.
 */
import { stale } from "../lease.ts";
import type { Lease } from "../lease.ts";
import { ArpHeader } from "./arp.ts";
import { foldChecksum, pseudoHeader4, pseudoHeader6, sumWords } from "./checksum.ts";
import { EthernetHeader, VlanTag } from "./ethernet.ts";
import { IcmpHeader } from "./icmp.ts";
import { Ipv4Header } from "./ipv4.ts";
import { Ipv6Header } from "./ipv6.ts";
import { PacketLayers } from "./layers.ts";
import { etherTypes, ipProtocols } from "./numbers.ts";
import { TcpHeader } from "./tcp.ts";
import { UdpHeader } from "./udp.ts";

/** Where check sums stand in their headers. */
const checksumOffset: Readonly<Record<number, number>> = {
  [ipProtocols.tcp]: 16,
  [ipProtocols.udp]: 6,
  [ipProtocols.icmp]: 2,
  [ipProtocols.icmp6]: 2,
};

export class PacketView {
  protected readonly memory: DataView;
  protected start = 0;
  protected byteLength = 0;
  /** The frame's own bounds: no adjustment leaves them. */
  protected floor = 0;
  protected ceiling = 0;
  #lease: Lease;
  #term = -1;
  readonly #layers = new PacketLayers();
  #parsed = false;
  #ethernet: EthernetHeader | null = null;
  #vlan: VlanTag | null = null;
  #arp: ArpHeader | null = null;
  #ipv4: Ipv4Header | null = null;
  #ipv6: Ipv6Header | null = null;
  #tcp: TcpHeader | null = null;
  #udp: UdpHeader | null = null;
  #icmp: IcmpHeader | null = null;

  constructor(memory: DataView, lease: Lease) {
    this.memory = memory;
    this.#lease = lease;
  }

  /** Puts the view on a packet. */
  protected place(start: number, length: number, floor: number, ceiling: number): void {
    this.start = start;
    this.byteLength = length;
    this.floor = floor;
    this.ceiling = ceiling;
    this.#term = this.#lease.term;
    this.#parsed = false;
  }

  /** Makes the view, and no other of its lease, stale. */
  protected retire(): void {
    this.#term = this.#lease.term - 1;
  }

  /** Makes everything of the lease stale, the headers that were handed out included. */
  protected endLease(): void {
    this.#lease.end();
  }

  /** @throws XdpSocketError StalePacket */
  protected check(): void {
    if (this.#lease.term !== this.#term) stale();
  }

  get isStale(): boolean {
    return this.#lease.term !== this.#term;
  }

  /** Bytes from the Ethernet header on. */
  get length(): number {
    this.check();
    return this.byteLength;
  }

  /** The packet's bytes, in place. The array is not guarded: after the packet's end it shows another packet. */
  get data(): Uint8Array {
    this.check();
    return new Uint8Array(this.memory.buffer, this.memory.byteOffset + this.start, this.byteLength);
  }

  /** A copy to keep. */
  copy(): Uint8Array {
    return new Uint8Array(this.data);
  }

  /** Byte at an offset of the packet. @throws RangeError outside of it */
  u8(at: number): number {
    return this.memory.getUint8(this.#within(at, 1));
  }

  setU8(at: number, value: number): void {
    this.memory.setUint8(this.#within(at, 1), value);
  }

  /** Network byte order. */
  u16(at: number): number {
    return this.memory.getUint16(this.#within(at, 2));
  }

  setU16(at: number, value: number): void {
    this.memory.setUint16(this.#within(at, 2), value);
  }

  /** Network byte order. */
  u32(at: number): number {
    return this.memory.getUint32(this.#within(at, 4));
  }

  setU32(at: number, value: number): void {
    this.memory.setUint32(this.#within(at, 4), value);
  }

  #within(at: number, bytes: number): number {
    this.check();
    if (at < 0 || at + bytes > this.byteLength)
      throw new RangeError(`offset ${at} in a packet of ${this.byteLength} bytes`);
    return this.start + at;
  }

  /**
   * Moves the start, as bpf_xdp_adjust_head does: a negative number puts bytes before the packet, a positive one takes
   * them away. What is sent starts there. False when the frame has no room, or the packet not so many bytes.
   */
  adjustHead(bytes: number): boolean {
    this.check();
    const start = this.start + bytes;
    if (start < this.floor || bytes > this.byteLength) return false;
    this.start = start;
    this.byteLength -= bytes;
    this.#parsed = false;
    return true;
  }

  /** Moves the end: a positive number makes the packet longer (by bytes left over in the frame). False: no room. */
  adjustTail(bytes: number): boolean {
    this.check();
    const length = this.byteLength + bytes;
    if (length < 0 || this.start + length > this.ceiling) return false;
    this.byteLength = length;
    this.#parsed = false;
    return true;
  }

  /** Replaces the whole packet. False: it does not fit from where the packet starts. */
  write(bytes: Uint8Array): boolean {
    if (!this.adjustTail(bytes.length - this.length)) return false;
    this.data.set(bytes);
    return true;
  }

  /** To be called after bytes were changed that decide which headers there are. */
  reparse(): void {
    this.#parsed = false;
  }

  /** Where the headers are. Offsets count in the UMEM. */
  protected get layers(): PacketLayers {
    this.check();
    if (!this.#parsed) {
      this.#layers.parse(this.memory, this.start, this.byteLength);
      this.#parsed = true;
    }
    return this.#layers;
  }

  /** EtherType behind any VLAN tags; -1 when the packet is too short. */
  get etherType(): number {
    return this.layers.etherType;
  }

  /** Protocol of the IP header; -1 without one. */
  get protocol(): number {
    return this.layers.protocol;
  }

  ethernet(): EthernetHeader | null {
    if (this.layers.etherType < 0) return null;
    return (this.#ethernet ??= new EthernetHeader()).place(this.memory, this.start, this.#lease);
  }

  /** The outermost tag. */
  vlan(): VlanTag | null {
    const { vlanAt } = this.layers;
    return vlanAt < 0 ? null : (this.#vlan ??= new VlanTag()).place(this.memory, vlanAt, this.#lease);
  }

  arp(): ArpHeader | null {
    const at = this.#network(etherTypes.arp);
    return at < 0 ? null : (this.#arp ??= new ArpHeader()).place(this.memory, at, this.#lease);
  }

  ipv4(): Ipv4Header | null {
    const at = this.#network(etherTypes.ipv4);
    return at < 0 ? null : (this.#ipv4 ??= new Ipv4Header()).place(this.memory, at, this.#lease);
  }

  ipv6(): Ipv6Header | null {
    const at = this.#network(etherTypes.ipv6);
    return at < 0 ? null : (this.#ipv6 ??= new Ipv6Header()).place(this.memory, at, this.#lease);
  }

  tcp(): TcpHeader | null {
    const at = this.#transport(ipProtocols.tcp);
    return at < 0 ? null : (this.#tcp ??= new TcpHeader()).place(this.memory, at, this.#lease);
  }

  udp(): UdpHeader | null {
    const at = this.#transport(ipProtocols.udp);
    return at < 0 ? null : (this.#udp ??= new UdpHeader()).place(this.memory, at, this.#lease);
  }

  /** ICMP, or ICMPv6 over IPv6. */
  icmp(): IcmpHeader | null {
    const at = this.#transport(
      this.layers.etherType === etherTypes.ipv6 ? ipProtocols.icmp6 : ipProtocols.icmp,
    );
    return at < 0 ? null : (this.#icmp ??= new IcmpHeader()).place(this.memory, at, this.#lease);
  }

  /** What TCP or UDP carries, in place; null for other packets. */
  payload(): Uint8Array | null {
    const { protocol, transportAt, endAt } = this.layers;
    if (transportAt < 0) return null;
    if (protocol !== ipProtocols.tcp && protocol !== ipProtocols.udp) return null;
    const header =
      protocol === ipProtocols.udp
        ? UdpHeader.bytes
        : Math.max(TcpHeader.bytes, (this.memory.getUint8(transportAt + 12) >> 4) * 4);
    const at = Math.min(transportAt + header, endAt);
    return new Uint8Array(this.memory.buffer, this.memory.byteOffset + at, endAt - at);
  }

  #network(etherType: number): number {
    const { layers } = this;
    return layers.etherType === etherType ? layers.networkAt : -1;
  }

  #transport(protocol: number): number {
    const { layers } = this;
    return layers.protocol === protocol ? layers.transportAt : -1;
  }

  /**
   * Makes the check sums of the IPv4 header and of TCP, UDP and ICMP anew. Needed for what a local sender sent: its
   * packets carry only the sum of the pseudo header, as the interface would have done the rest (CHECKSUM_PARTIAL).
   */
  updateChecksums(): void {
    const { protocol, transportAt, etherType, isFragment } = this.layers;
    if (etherType === etherTypes.ipv4 && this.layers.networkAt >= 0) this.ipv4()?.updateChecksum();
    if (transportAt < 0 || isFragment) return;
    const at = transportAt + (checksumOffset[protocol] ?? 0);
    this.memory.setUint16(at, 0);
    const sum = this.#transportChecksum();
    // Of UDP, 0 says that there is none (RFC 768).
    this.memory.setUint16(at, sum === 0 && protocol === ipProtocols.udp ? 0xffff : sum);
  }

  /** Whether the check sums are right; what has none is. */
  areChecksumsRight(): boolean {
    const { protocol, transportAt, etherType, isFragment } = this.layers;
    if (etherType === etherTypes.ipv4 && this.layers.networkAt >= 0 && !this.ipv4()?.isChecksumRight())
      return false;
    if (transportAt < 0 || isFragment) return true;
    if (protocol === ipProtocols.udp && etherType === etherTypes.ipv4 && this.udp()?.checksum === 0)
      return true;
    return this.#transportChecksum() === 0;
  }

  /** Over the header as it stands: 0 when its check sum is right. */
  #transportChecksum(): number {
    const { protocol, transportAt, networkAt, endAt, etherType } = this.layers;
    const bytes = endAt - transportAt;
    const pseudo =
      protocol === ipProtocols.icmp
        ? 0
        : etherType === etherTypes.ipv4
          ? pseudoHeader4(this.memory, networkAt, protocol, bytes)
          : pseudoHeader6(this.memory, networkAt, protocol, bytes);
    return foldChecksum(sumWords(this.memory, transportAt, bytes, pseudo));
  }
}
