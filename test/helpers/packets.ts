/** Frames for the XDP programs, made layer by layer; every checksum is right unless a test spoils it. */

type Bytes = readonly number[];

export const be16 = (value: number): Bytes => [(value >>> 8) & 255, value & 255];
const be32 = (value: number): Bytes => [...be16(value >>> 16), ...be16(value & 0xffff)];

/** "10.0.0.1" */
export const address4 = (text: string): Bytes => text.split(".").map(Number);
/** The last byte of an address in fd00::/8. */
export const address6 = (last: number): Bytes => [0xfd, ...Array<number>(14).fill(0), last];

/** RFC 1071. */
export function checksum(bytes: Bytes): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export const tcpFlags = { fin: 1, syn: 2, rst: 4, push: 8, ack: 16 } as const;

export interface Transport {
  readonly protocol: "tcp" | "udp";
  readonly from?: number;
  readonly to: number;
  readonly flags?: number;
  /** Bytes of TCP options, a multiple of four. */
  readonly options?: Bytes;
  readonly payload?: Bytes;
  /** TCP header length in words, instead of the right one. */
  readonly dataOffset?: number;
  /** UDP length instead of the right one. */
  readonly length?: number;
}

const numbers = { tcp: 6, udp: 17 } as const;

function transport(packet: Transport, pseudo: (length: number) => Bytes): Bytes {
  const { protocol, from = 40_000, to, flags = tcpFlags.ack, options = [], payload = [] } = packet;
  const ports = [...be16(from), ...be16(to)];
  const words = packet.dataOffset ?? 5 + options.length / 4;
  const whole = (sum: number): Bytes =>
    protocol === "tcp"
      ? [
          ...ports,
          ...be32(1),
          ...be32(2),
          words << 4,
          flags,
          ...be16(65_535),
          ...be16(sum),
          0,
          0,
          ...options,
          ...payload,
        ]
      : [...ports, ...be16(packet.length ?? 8 + payload.length), ...be16(sum), ...payload];
  const bare = whole(0);
  return whole(checksum([...pseudo(bare.length), ...bare]));
}

export interface Ip4 {
  readonly source?: string;
  readonly target?: string;
  readonly options?: Bytes;
  /** Flags and offset as in the header. */
  readonly fragment?: number;
  readonly ttl?: number;
  readonly version?: number;
  /** Header length in words, instead of the right one. */
  readonly words?: number;
  readonly totalLength?: number;
  readonly protocol?: number;
}

export function ip4(ip: Ip4, inner: Transport): Bytes {
  const source = address4(ip.source ?? "10.0.0.1");
  const target = address4(ip.target ?? "10.0.0.2");
  const protocol = ip.protocol ?? numbers[inner.protocol];
  const body = transport(inner, (length) => [...source, ...target, 0, protocol, ...be16(length)]);
  const { options = [] } = ip;
  const words = ip.words ?? 5 + options.length / 4;
  const header = (sum: number): Bytes => [
    ((ip.version ?? 4) << 4) | words,
    0,
    ...be16(ip.totalLength ?? 20 + options.length + body.length),
    ...be16(7),
    ...be16(ip.fragment ?? 0),
    ip.ttl ?? 64,
    protocol,
    ...be16(sum),
    ...source,
    ...target,
    ...options,
  ];
  return [...header(checksum(header(0))), ...body];
}

/** An IPv6 extension header: its type, and its bytes but for the first, which names the next. */
export type Extension = readonly [type: number, rest: Bytes];

export interface Ip6 {
  readonly extensions?: readonly Extension[];
  readonly version?: number;
  readonly payloadLength?: number;
  readonly protocol?: number;
}

export function ip6(ip: Ip6, inner: Transport): Bytes {
  const [source, target] = [address6(1), address6(2)];
  const protocol = ip.protocol ?? numbers[inner.protocol];
  const body = transport(inner, (length) => [...source, ...target, ...be32(length), 0, 0, 0, protocol]);
  const { extensions = [] } = ip;
  const chain = extensions.flatMap(([, rest], index) => [extensions[index + 1]?.[0] ?? protocol, ...rest]);
  const first = extensions[0]?.[0] ?? protocol;
  const length = be16(ip.payloadLength ?? chain.length + body.length);
  return [(ip.version ?? 6) << 4, 0, 0, 0, ...length, first, 64, ...source, ...target, ...chain, ...body];
}

/** Ethernet around a packet; tags are VLAN protocols such as 0x8100. */
export function ethernet(inner: Bytes, type: number, tags: Bytes = []): Uint8Array {
  const vlan = tags.flatMap((tag) => [...be16(tag), ...be16(7)]);
  return Uint8Array.from([...macs.target, ...macs.source, ...vlan, ...be16(type), ...inner]);
}

export const macs = { target: [2, 0, 0, 0, 0, 2], source: [2, 0, 0, 0, 0, 1] } as const;

export const frame4 = (inner: Transport, ip: Ip4 = {}, tags: Bytes = []): Uint8Array =>
  ethernet(ip4(ip, inner), 0x0800, tags);
export const frame6 = (inner: Transport, ip: Ip6 = {}, tags: Bytes = []): Uint8Array =>
  ethernet(ip6(ip, inner), 0x86dd, tags);
