/** Messages over the rings: `version u8`, `type u8` (bit 7: more parts follow), `request id u64`, a piece of the body. */
import { RingError } from "./ring.js";

const version = 1;
const more = 0x80;
const headerBytes = 10;
export const types = { request: 1, response: 2, failure: 3, cancel: 4 };
export const encodings = { json: 0, raw: 1 };

/** @typedef {{ type: number, requestId: bigint, body: Uint8Array }} Message */
/**
 * `lead` is one byte before the body, so that the body need not be copied for it; null: none.
 * @typedef {{ type: number, requestId: bigint, lead: number | null, body: Uint8Array }} OutgoingMessage
 */

const head = new Uint8Array(headerBytes + 1);
const headView = new DataView(head.buffer);

/**
 * @param {OutgoingMessage} message
 * @param {number} limit of the ring's payloads
 */
export function partCount({ lead, body }, limit) {
  return Math.max(1, Math.ceil(((lead === null ? 0 : 1) + body.length) / (limit - headerBytes)));
}

/**
 * Writes one part of a message, straight into the ring; false when there is no room.
 * @param {import("./ring.js").Producer} producer
 * @param {OutgoingMessage} message
 * @param {number} index
 */
export function writePart(producer, { type, requestId, lead, body }, index) {
  const room = producer.limit - headerBytes;
  const leadBytes = lead === null ? 0 : 1;
  // Places in the body: the first part is shorter by the lead.
  const start = Math.max(0, index * room - leadBytes);
  const end = Math.min((index + 1) * room - leadBytes, body.length);
  head[0] = version;
  head[1] = type | (end < body.length ? more : 0);
  headView.setBigUint64(2, requestId, true);
  if (lead !== null) head[headerBytes] = lead;
  const piece = start === 0 && end === body.length ? body : body.subarray(start, end);
  return producer.tryWrite(piece, head, headerBytes + (index === 0 ? leadBytes : 0));
}

/** Puts messages together from their parts. */
export class Assembler {
  constructor() {
    /** @type {Map<bigint, Uint8Array[]>} */
    this.begun = new Map();
  }

  /**
   * Takes one entry; the message it completes, else null. The body of a message in one piece is the entry's own memory,
   * which the ring overwrites once the entry was given back.
   * @param {Uint8Array} entry
   * @returns {Message | null}
   */
  take(entry) {
    if (entry.length < headerBytes || entry[0] !== version)
      throw new RingError("CorruptedData", `a message of ${entry.length} bytes, version ${entry[0]}`);
    const view = Buffer.from(entry.buffer, entry.byteOffset, entry.length);
    const typed = view[1];
    const requestId = view.readBigUInt64LE(2);
    const pieces = this.begun.get(requestId);
    if (pieces === undefined && (typed & more) === 0)
      return { type: typed, requestId, body: view.subarray(headerBytes) };
    const piece = Buffer.from(view.subarray(headerBytes));
    if (pieces === undefined) this.begun.set(requestId, [piece]);
    else pieces.push(piece);
    if ((typed & more) !== 0) return null;
    this.begun.delete(requestId);
    return { type: typed, requestId, body: Buffer.concat(pieces ?? []) };
  }
}
