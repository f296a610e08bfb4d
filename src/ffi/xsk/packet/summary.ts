/** A packet in one line, for people. Everything in it is a number or a word of ours: nothing of its text gets through. */
import { forever } from "../lease.ts";
import { ipv4Text, ipv6Text, macText } from "./address.ts";
import { etherTypes, ipProtocols, tcpFlags } from "./numbers.ts";
import { PacketView } from "./packet-view.ts";

class WholePacket extends PacketView {
  constructor(bytes: Uint8Array) {
    super(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), forever);
    this.place(0, bytes.length, 0, bytes.length);
  }

  get isFragment(): boolean {
    return this.layers.isFragment;
  }

  /** Bytes that TCP or UDP carries by the IP header, also when the capture cut them off. */
  get carriedBytes(): number {
    return this.payload()?.length ?? 0;
  }
}

/** Letters as tcpdump writes them. */
const flagLetters = [
  [tcpFlags.syn, "S"],
  [tcpFlags.fin, "F"],
  [tcpFlags.rst, "R"],
  [tcpFlags.psh, "P"],
  [tcpFlags.ack, "."],
  [tcpFlags.urg, "U"],
] as const;

/** As "10.0.0.1:40000 > 10.0.0.2:80 TCP [S] seq 1 win 64240, 0 bytes". */
export function summarizePacket(bytes: Uint8Array): string {
  const packet = new WholePacket(bytes);
  const vlan = packet.vlan();
  const tag = vlan === null ? "" : `vlan ${vlan.id} `;
  return tag + body(packet);
}

function body(packet: WholePacket): string {
  const ethernet = packet.ethernet();
  if (ethernet === null) return `${packet.length} bytes, too short for Ethernet`;
  const arp = packet.arp();
  if (arp !== null) {
    const [sender, target] = [ipv4Text(arp.senderAddress), ipv4Text(arp.targetAddress)];
    switch (arp.operation) {
      case 1:
        return `ARP who has ${target}? tell ${sender}`;
      case 2:
        return `ARP ${sender} is at ${macText(arp.senderMac)}`;
      default:
        return `ARP operation ${arp.operation}, ${sender} to ${target}`;
    }
  }
  const addresses = addressesOf(packet);
  if (addresses !== null) return ipBody(packet, addresses);
  const type = packet.etherType.toString(16).padStart(4, "0");
  const broken = packet.etherType === etherTypes.ipv4 || packet.etherType === etherTypes.ipv6;
  return `${macText(ethernet.source)} > ${macText(ethernet.destination)} ${broken ? "broken or cut IP" : `0x${type}`}, ${packet.length} bytes`;
}

interface Addresses {
  readonly source: string;
  readonly destination: string;
  readonly join: (address: string, port: number) => string;
}

function addressesOf(packet: WholePacket): Addresses | null {
  const v4 = packet.ipv4();
  if (v4 !== null) {
    const [source, destination] = [ipv4Text(v4.source), ipv4Text(v4.destination)];
    return { source, destination, join: (address, port) => `${address}:${port}` };
  }
  const v6 = packet.ipv6();
  if (v6 === null) return null;
  const [source, destination] = [ipv6Text(v6.source), ipv6Text(v6.destination)];
  return { source, destination, join: (address, port) => `[${address}]:${port}` };
}

function ipBody(packet: WholePacket, { source, destination, join }: Addresses): string {
  const fragment = packet.isFragment ? ", fragment" : "";
  const tcp = packet.tcp();
  if (tcp !== null) {
    const { flags } = tcp;
    const letters = flagLetters.flatMap(([bit, letter]) => ((flags & bit) === 0 ? [] : [letter])).join("");
    const ack = (flags & tcpFlags.ack) === 0 ? "" : ` ack ${tcp.acknowledgement}`;
    return `${join(source, tcp.sourcePort)} > ${join(destination, tcp.destinationPort)} TCP [${letters}] seq ${tcp.sequence}${ack} win ${tcp.window}, ${packet.carriedBytes} bytes${fragment}`;
  }
  const udp = packet.udp();
  if (udp !== null)
    return `${join(source, udp.sourcePort)} > ${join(destination, udp.destinationPort)} UDP ${packet.carriedBytes} bytes${fragment}`;
  const icmp = packet.icmp();
  if (icmp !== null) return `${source} > ${destination} ${icmpWords(packet, icmp)}${fragment}`;
  return `${source} > ${destination} protocol ${packet.protocol}, ${packet.length} bytes${fragment}`;
}

function icmpWords(
  packet: WholePacket,
  icmp: { type: number; code: number; identifier: number; sequence: number },
): string {
  const is6 = packet.protocol === ipProtocols.icmp6;
  const name = is6 ? "ICMPv6" : "ICMP";
  const [request, reply] = is6 ? [128, 129] : [8, 0];
  if (icmp.type === request) return `${name} echo request id ${icmp.identifier} seq ${icmp.sequence}`;
  if (icmp.type === reply) return `${name} echo reply id ${icmp.identifier} seq ${icmp.sequence}`;
  return `${name} type ${icmp.type} code ${icmp.code}`;
}
