/** Addresses as text and bytes. */
import { isIPv4, isIPv6 } from "node:net";

/** Sixteen bytes, IPv4 as ::ffff:a.b.c.d; null when it is no address. */
export function parseAddress(text: string): Uint8Array | null {
  const bytes = new Uint8Array(16);
  if (isIPv4(text)) {
    bytes.set([0xff, 0xff, ...text.split(".").map(Number)], 10);
    return bytes;
  }
  if (!isIPv6(text) || text.includes("%")) return null;
  const [head = "", tail] = expandDots(text).split("::");
  const words = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  for (const [index, value] of all.entries()) {
    bytes[index * 2] = value >> 8;
    bytes[index * 2 + 1] = value & 0xff;
  }
  return bytes;
}

/** "::ffff:1.2.3.4" with its end in hex. */
function expandDots(text: string): string {
  const at = text.lastIndexOf(":") + 1;
  const dotted = text.slice(at);
  if (!dotted.includes(".")) return text;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number);
  return `${text.slice(0, at)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** An IPv4 address as a number in the order of its text: "10.0.0.2" is 0x0a000002. */
export function ipv4Number(text: string): number {
  if (!isIPv4(text)) throw new RangeError(`${text} is no IPv4 address`);
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

export function ipv4Text(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}

/** As RFC 5952 writes it: lower case, the longest run of two or more zero words left out. */
export function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length += 1;
    if (length > best.length) best = { at, length };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.at < 0) return hex.join(":");
  return `${hex.slice(0, best.at).join(":")}::${hex.slice(best.at + best.length).join(":")}`;
}

export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Six bytes of "02:00:00:00:00:01"; null when it is no such address. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(text)) return null;
  return new Uint8Array(text.split(":").map((part) => Number.parseInt(part, 16)));
}
