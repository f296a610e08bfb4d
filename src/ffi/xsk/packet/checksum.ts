/** The Internet check sum (RFC 1071), whole and by difference (RFC 1624). */

/** Sum of 16-bit words in network order, not folded; an odd last byte counts as the upper half of a word. */
export function sumWords(view: DataView, at: number, bytes: number, start = 0): number {
  let sum = start;
  const end = at + (bytes & ~1);
  for (let offset = at; offset < end; offset += 2) sum += view.getUint16(offset);
  if ((bytes & 1) !== 0) sum += view.getUint8(end) << 8;
  return sum;
}

/** Folds a sum to 16 bits and complements it: what stands in a header. Exact for sums below 2^53. */
export function foldChecksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}

/** The check sum after one 16-bit word of what it covers has changed (RFC 1624, equation 3). */
export function adjustChecksum(checksum: number, from: number, to: number): number {
  return foldChecksum((~checksum & 0xffff) + (~from & 0xffff) + to);
}

/** Sum of the pseudo header of IPv4: addresses, protocol and length (RFC 9293, 3.1). */
export function pseudoHeader4(view: DataView, networkAt: number, protocol: number, bytes: number): number {
  return sumWords(view, networkAt + 12, 8) + protocol + bytes;
}

/** The same of IPv6 (RFC 8200, 8.1). */
export function pseudoHeader6(view: DataView, networkAt: number, protocol: number, bytes: number): number {
  return sumWords(view, networkAt + 8, 32) + protocol + bytes;
}
