/**
 * Where the headers of a packet are. Nothing is believed: a header that does not fit the packet's bytes is not there. One
 * object is used for packet after packet. bpf/xsk.bpf.c goes by the same rules.
 */
import { etherTypes, ipProtocols } from "./numbers.ts";

const ethernetBytes = 14;
const vlanBytes = 4;
const arpBytes = 28;
const ipv6Bytes = 40;
/** Least bytes of a header that ports, types and check sums are read from. */
const transportBytes: Readonly<Record<number, number>> = {
  [ipProtocols.tcp]: 20,
  [ipProtocols.udp]: 8,
  [ipProtocols.icmp]: 8,
  [ipProtocols.icmp6]: 8,
};
const maxVlans = 2;

export class PacketLayers {
  /** Of what the frame carries, behind its VLAN tags; -1 when it is too short for one. */
  etherType = -1;
  /** The outermost VLAN's id; -1 without a tag. */
  vlanId = -1;
  /** Offset of the outermost tag, in the view; -1 without. */
  vlanAt = -1;
  /** Of the IP or ARP header, in the view; -1 when it is another protocol or broken. */
  networkAt = -1;
  /** In the IP header; -1 when there is none. */
  protocol = -1;
  /** Of the TCP, UDP or ICMP header, in the view; -1 for others, later fragments and broken ones. */
  transportAt = -1;
  /** End of the packet by its IP header (Ethernet pads short ones); else of its bytes. */
  endAt = 0;
  isFragment = false;

  /** @param start of the Ethernet header in the view */
  parse(view: DataView, start: number, length: number): void {
    const end = start + length;
    this.etherType = -1;
    this.vlanId = -1;
    this.vlanAt = -1;
    this.networkAt = -1;
    this.protocol = -1;
    this.transportAt = -1;
    this.endAt = end;
    this.isFragment = false;
    if (length < ethernetBytes) return;
    let at = start + 12;
    let etherType = view.getUint16(at);
    for (let tags = 0; tags < maxVlans && isVlan(etherType); tags++) {
      if (at + 2 + vlanBytes > end) return;
      if (tags === 0) {
        this.vlanAt = at;
        this.vlanId = view.getUint16(at + 2) & 0x0fff;
      }
      at += vlanBytes;
      etherType = view.getUint16(at);
    }
    this.etherType = etherType;
    at += 2;
    if (etherType === etherTypes.ipv4) this.#ipv4(view, at, end);
    else if (etherType === etherTypes.ipv6) this.#ipv6(view, at, end);
    else if (etherType === etherTypes.arp && at + arpBytes <= end) this.networkAt = at;
  }

  #ipv4(view: DataView, at: number, end: number): void {
    if (at + 20 > end) return;
    const first = view.getUint8(at);
    const headerBytes = (first & 0x0f) * 4;
    if (first >> 4 !== 4 || headerBytes < 20 || at + headerBytes > end) return;
    const total = view.getUint16(at + 2);
    if (total < headerBytes || at + total > end) return;
    this.networkAt = at;
    this.endAt = at + total;
    this.protocol = view.getUint8(at + 9);
    const fragment = view.getUint16(at + 6);
    this.isFragment = (fragment & 0x3fff) !== 0;
    if ((fragment & 0x1fff) === 0) this.#transport(at + headerBytes);
  }

  /** Extension headers are not followed: a packet with one has that header's number as its protocol. */
  #ipv6(view: DataView, at: number, end: number): void {
    if (at + ipv6Bytes > end || view.getUint8(at) >> 4 !== 6) return;
    const payload = view.getUint16(at + 4);
    if (at + ipv6Bytes + payload > end) return;
    this.networkAt = at;
    this.endAt = at + ipv6Bytes + payload;
    this.protocol = view.getUint8(at + 6);
    this.#transport(at + ipv6Bytes);
  }

  #transport(at: number): void {
    const least = transportBytes[this.protocol];
    if (least !== undefined && at + least <= this.endAt) this.transportAt = at;
  }
}

function isVlan(etherType: number): boolean {
  return etherType === etherTypes.vlan || etherType === etherTypes.serviceVlan;
}
