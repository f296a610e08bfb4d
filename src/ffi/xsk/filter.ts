/**
 * Which packets come to us instead of the kernel's stack. The simulator decides by `matchesFilter`, the kernel by
 * bpf/xsk.bpf.c, and a test holds them against each other. A packet that does not match passes as ever.
 */
import { XdpSocketError } from "./errors.ts";
import { parseAddress } from "./packet/address.ts";
import { PacketLayers } from "./packet/layers.ts";
import { etherTypes, ipProtocols } from "./packet/numbers.ts";

/** Protocols a filter can name: ARP, and those in an IPv4 or IPv6 header, by name or number. */
export const filterProtocols = ["arp", "icmp", "icmp6", "tcp", "udp"] as const;
export type FilterProtocol = (typeof filterProtocols)[number] | number;

/** A packet is taken when it matches every list that is there; within a list, any entry will do. */
export interface FilterRules {
  readonly protocols?: readonly FilterProtocol[];
  /** Destination ports of TCP and UDP; what has no ports does not match. Later fragments have none. */
  readonly ports?: readonly number[];
  /** Destination addresses (of ARP: the address asked for), as "10.0.0.2" or "fd00::2". */
  readonly addresses?: readonly string[];
}

/** Rules, or every packet of the queue: then the kernel sees none of them, its own connections included. */
export type PacketFilter = FilterRules | "everything";

/** A filter checked and in numbers. */
export interface CompiledFilter {
  readonly everything: boolean;
  readonly arp: boolean;
  /** Protocol numbers of the IP header; null: any, ARP and what is not IP included. */
  readonly protocols: ReadonlySet<number> | null;
  readonly ports: ReadonlySet<number> | null;
  /** Sixteen bytes each, IPv4 as ::ffff:a.b.c.d, keyed by their hex. */
  readonly addresses: ReadonlyMap<string, Uint8Array> | null;
}

/** Bounds the kernel's map of addresses. */
export const maxFilterAddresses = 1024;

/** @throws XdpSocketError InvalidConfig */
export function compileFilter(filter: PacketFilter): CompiledFilter {
  if (filter === "everything")
    return { everything: true, arp: false, protocols: null, ports: null, addresses: null };
  const { protocols = [], ports = [], addresses = [] } = filter;
  if (protocols.length + ports.length + addresses.length === 0) {
    throw new XdpSocketError("InvalidConfig", "the packet filter is empty", {
      hint: 'Name protocols, ports or addresses, or say "everything".',
    });
  }
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid("port", port);
  }
  if (addresses.length > maxFilterAddresses) {
    throw new XdpSocketError("InvalidConfig", `the packet filter has ${addresses.length} addresses`, {
      why: `${maxFilterAddresses} is the limit`,
    });
  }
  return {
    everything: false,
    arp: protocols.includes("arp"),
    protocols: protocols.length === 0 ? null : new Set(protocols.flatMap(protocolNumber)),
    ports: ports.length === 0 ? null : new Set(ports),
    addresses: addresses.length === 0 ? null : new Map(addresses.map(addressEntry)),
  };
}

function protocolNumber(protocol: FilterProtocol): number[] {
  if (typeof protocol === "number") {
    if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) throw invalid("protocol", protocol);
    return [protocol];
  }
  if (!filterProtocols.includes(protocol)) throw invalid("protocol", protocol);
  return protocol === "arp" ? [] : [ipProtocols[protocol]];
}

function addressEntry(text: string): [string, Uint8Array] {
  const bytes = parseAddress(text);
  if (bytes === null) throw invalid("address", text);
  return [addressKey(bytes), bytes];
}

function invalid(what: string, value: number | string): XdpSocketError {
  return new XdpSocketError("InvalidConfig", `the packet filter names the ${what} ${value}`, {
    why: what === "address" ? "it is neither IPv4 nor IPv6" : `there is no such ${what}`,
  });
}

const addressKey = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const layers = new PacketLayers();
const mapped = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);

/** Whether a packet is taken. Same rules as bpf/xsk.bpf.c. */
export function matchesFilter(
  filter: CompiledFilter,
  view: DataView,
  start: number,
  length: number,
): boolean {
  if (filter.everything) return true;
  layers.parse(view, start, length);
  const { protocols, ports, addresses } = filter;
  const isArp = layers.etherType === etherTypes.arp && layers.networkAt >= 0;
  if (protocols !== null && !(isArp ? filter.arp : layers.protocol >= 0 && protocols.has(layers.protocol)))
    return false;
  if (ports !== null) {
    const hasPorts = layers.protocol === ipProtocols.tcp || layers.protocol === ipProtocols.udp;
    if (!hasPorts || layers.transportAt < 0) return false;
    if (!ports.has(view.getUint16(layers.transportAt + 2))) return false;
  }
  if (addresses === null) return true;
  const destination = destinationOf(view, isArp);
  return destination !== null && addresses.has(addressKey(destination));
}

function destinationOf(view: DataView, isArp: boolean): Uint8Array | null {
  const { networkAt } = layers;
  if (networkAt < 0) return null;
  const at = (offset: number, bytes: number): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset + networkAt + offset, bytes);
  switch (layers.etherType) {
    case etherTypes.ipv4:
      mapped.set(at(16, 4), 12);
      return mapped;
    case etherTypes.arp:
      if (!isArp) return null;
      mapped.set(at(24, 4), 12);
      return mapped;
    case etherTypes.ipv6:
      return at(24, 16);
    default:
      return null;
  }
}
