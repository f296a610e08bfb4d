/** Packets as tests build them: every byte written out, with no code of the library. */

export const macA = [2, 0, 0, 0, 0, 0xa];
export const macB = [2, 0, 0, 0, 0, 0xb];

/** A frame of the local experimental EtherType, which no stack answers; its number is at offset 14. */
export function plainFrame(number: number, length = 60): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set([...macA, ...macB, 0x88, 0xb5]);
  new DataView(frame.buffer).setUint32(14, number);
  for (let at = 18; at < length; at++) frame[at] = (at * 7 + number) & 0xff;
  return frame;
}

export function frameNumber(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(14);
}

const word = (value: number): number[] => [value >> 8, value & 0xff];
const dotted = (text: string): number[] => text.split(".").map(Number);

/** RFC 1071 over bytes, in the plainest way. */
function sum16(bytes: readonly number[]): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

export interface IpSpec {
  readonly source?: string;
  readonly destination?: string;
  readonly protocol: number;
  readonly payload: readonly number[];
  readonly vlans?: readonly number[];
  readonly options?: number;
  readonly fragment?: number;
  readonly padTo?: number;
}

export function ipv4Frame(spec: IpSpec): Uint8Array {
  const { source = "10.1.0.1", destination = "10.1.0.2", protocol, payload, vlans = [], options = 0 } = spec;
  const headerBytes = 20 + options * 4;
  const header = [
    0x40 | (headerBytes / 4),
    0,
    ...word(headerBytes + payload.length),
    0x12,
    0x34,
    ...word(spec.fragment ?? 0),
    64,
    protocol,
    0,
    0,
    ...dotted(source),
    ...dotted(destination),
    ...Array.from({ length: options * 4 }, () => 1),
  ];
  header.splice(10, 2, ...word(sum16(header)));
  const tags = vlans.flatMap((id) => [0x81, 0x00, ...word(id)]);
  const bytes = [...macB, ...macA, ...tags, 0x08, 0x00, ...header, ...payload];
  while (bytes.length < (spec.padTo ?? 0)) bytes.push(0);
  return new Uint8Array(bytes);
}

function withChecksum(
  segment: number[],
  at: number,
  protocol: number,
  source: string,
  destination: string,
): number[] {
  const pseudo = [...dotted(source), ...dotted(destination), 0, protocol, ...word(segment.length)];
  const sum = sum16([...pseudo, ...segment]);
  segment.splice(at, 2, ...word(sum === 0 && protocol === 17 ? 0xffff : sum));
  return segment;
}

export function udpFrame(port: number, data: readonly number[], more: Partial<IpSpec> = {}): Uint8Array {
  const { source = "10.1.0.1", destination = "10.1.0.2" } = more;
  const segment = [...word(40_000), ...word(port), ...word(8 + data.length), 0, 0, ...data];
  const payload = withChecksum(segment, 6, 17, source, destination);
  return ipv4Frame({ protocol: 17, payload, ...more });
}

export function tcpFrame(
  port: number,
  flags: number,
  data: readonly number[] = [],
  more: Partial<IpSpec> = {},
): Uint8Array {
  const { source = "10.1.0.1", destination = "10.1.0.2" } = more;
  const segment = [
    ...word(40_000),
    ...word(port),
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0x50,
    flags,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
    ...data,
  ];
  return ipv4Frame({ protocol: 6, payload: withChecksum(segment, 16, 6, source, destination), ...more });
}

export function echoRequest(
  sequence: number,
  data: readonly number[],
  more: Partial<IpSpec> = {},
): Uint8Array {
  const message = [8, 0, 0, 0, 0x11, 0x22, ...word(sequence), ...data];
  message.splice(2, 2, ...word(sum16(message)));
  return ipv4Frame({ protocol: 1, payload: message, ...more });
}

export function arpRequest(target: string, sender = "10.1.0.1"): Uint8Array {
  return new Uint8Array([
    ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ...[...macA, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1],
    ...[...macA, ...dotted(sender), 0, 0, 0, 0, 0, 0, ...dotted(target)],
  ]);
}

export function ipv6UdpFrame(port: number, data: readonly number[], destination: Uint8Array): Uint8Array {
  const source = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  const segment = [...word(40_000), ...word(port), ...word(8 + data.length), 0, 0, ...data];
  const pseudo = [...source, ...destination, 0, 0, ...word(segment.length), 0, 0, 0, 17];
  segment.splice(6, 2, ...word(sum16([...pseudo, ...segment])));
  return new Uint8Array([
    ...[...macB, ...macA, 0x86, 0xdd, 0x60, 0, 0, 0, ...word(segment.length), 17, 64],
    ...[...source, ...destination, ...segment],
  ]);
}
