/** Messages over the rings: `version u8`, `type u8` (bit 7: more parts follow), `request id u64`, a piece of the body. */
import { RingError } from "./ring.js";

const version = 1;
const more = 0x80;
const headerBytes = 10;
export const types = { request: 1, response: 2, failure: 3, cancel: 4 };
export const encodings = { json: 0, raw: 1 };

/** @typedef {{ type: number, requestId: bigint, body: Uint8Array }} Message */

/**
 * The entries a message takes; `lead` comes before the body, so that the body need not be copied for one byte.
 * @param {{ type: number, requestId: bigint, lead: number | null, body: Uint8Array }} message
 * @param {number} limit
 * @returns {Uint8Array[]}
 */
export function parts({ type, requestId, lead, body }, limit) {
  const room = limit - headerBytes;
  const leadBytes = lead === null ? 0 : 1;
  const total = leadBytes + body.length;
  /** @type {Uint8Array[]} */
  const entries = [];
  for (let start = 0; start === 0 || start < total; start += room) {
    const end = Math.min(start + room, total);
    const entry = Buffer.allocUnsafe(headerBytes + end - start);
    entry[0] = version;
    entry[1] = type | (end < total ? more : 0);
    entry.writeBigUInt64LE(requestId, 2);
    if (start === 0 && lead !== null) entry[headerBytes] = lead;
    const from = Math.max(0, start - leadBytes);
    const piece = body.length === end - leadBytes && from === 0 ? body : body.subarray(from, end - leadBytes);
    entry.set(piece, start === 0 ? headerBytes + leadBytes : headerBytes);
    entries.push(entry);
  }
  return entries;
}

/** Puts messages together from their parts. */
export class Assembler {
  constructor() {
    /** @type {Map<bigint, Uint8Array[]>} */
    this.begun = new Map();
  }

  /**
   * Takes one entry, which the ring may overwrite afterwards; the message it completes, else null.
   * @param {Uint8Array} entry
   * @returns {Message | null}
   */
  take(entry) {
    if (entry.length < headerBytes || entry[0] !== version)
      throw new RingError("CorruptedData", `a message of ${entry.length} bytes, version ${entry[0]}`);
    const own = Buffer.from(entry);
    const typed = own[1];
    const requestId = own.readBigUInt64LE(2);
    const piece = own.subarray(headerBytes);
    const pieces = this.begun.get(requestId);
    if (pieces === undefined && (typed & more) === 0) return { type: typed, requestId, body: piece };
    if (pieces === undefined) this.begun.set(requestId, [piece]);
    else pieces.push(piece);
    if ((typed & more) !== 0) return null;
    this.begun.delete(requestId);
    return { type: typed, requestId, body: Buffer.concat(pieces ?? []) };
  }
}
