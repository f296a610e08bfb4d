/** Both ends of a shared-memory ring, as the handler has them (layout: docs/handler-protocol.md, sdk/c/aether_ring.h). */
import * as zlib from "node:zlib";

const headerBytes = 24;
const entryHeaderBytes = 8;
const skipMark = 0xffffffff;
const minCapacity = 4096;
const maxPayload = 65_536;
const [head, tail, capacity] = [0, 1, 2];

/** A ring cannot be used as asked; `code` says why. */
export class RingError extends Error {
  /**
   * @param {"RingBufferFull" | "RingBufferEmpty" | "PayloadTooLarge" | "CorruptedData" | "ChecksumMismatch"} code
   * @param {string} message
   * @param {Record<string, number>} data
   */
  constructor(code, message, data = {}) {
    super(message);
    this.name = code;
    this.code = code;
    this.data = data;
  }
}

/** @type {Uint32Array[]} */
const tables = [
  new Uint32Array(256).map((_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  }),
];
for (let step = 1; step < 8; step++)
  tables.push(tables[step - 1].map((value) => tables[0][value & 0xff] ^ (value >>> 8)));
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
/** zlib.crc32 came with Node 20.15 and 22.2; a call of it costs more than short payloads do. */
const zlibCrc32 = /** @type {any} */ (zlib).crc32;
const shortBytes = zlibCrc32 === undefined ? Number.POSITIVE_INFINITY : 1024;

/**
 * @param {Uint8Array} bytes
 * @param {Uint32Array} words the same memory
 * @param {number} at a multiple of 4
 * @param {number} length
 */
function crc32(bytes, words, at, length) {
  if (length >= shortBytes) return zlibCrc32(bytes.subarray(at, at + length));
  let crc = 0xffffffff;
  let word = at >>> 2;
  for (const last = word + ((length >>> 3) << 1); word < last; word += 2) {
    const low = words[word] ^ crc;
    const high = words[word + 1];
    crc =
      t7[low & 0xff] ^
      t6[(low >>> 8) & 0xff] ^
      t5[(low >>> 16) & 0xff] ^
      t4[low >>> 24] ^
      t3[high & 0xff] ^
      t2[(high >>> 8) & 0xff] ^
      t1[(high >>> 16) & 0xff] ^
      t0[high >>> 24];
  }
  for (let byte = at + (length & ~7); byte < at + length; byte++)
    crc = t0[(crc ^ bytes[byte]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * What both ends see.
 * @param {ArrayBuffer} memory
 */
function viewsOf(memory) {
  const positions = new BigInt64Array(memory, 0, 3);
  const bytes = Number(positions[capacity]);
  const legal =
    bytes >= minCapacity && bytes <= memory.byteLength - headerBytes && (bytes & (bytes - 1)) === 0;
  if (!legal) throw new RingError("CorruptedData", `capacity ${bytes}`);
  return {
    bytes: new Uint8Array(memory),
    words: new Uint32Array(memory, 0, memory.byteLength >>> 2),
    positions,
    /** The positions in halves, the lower one first. */
    lows: new Int32Array(memory, 0, 6),
    capacity: bytes,
  };
}

const nothing = new Uint8Array(0);

/** The writing end. */
export class Producer {
  /** @param {ArrayBuffer} memory */
  constructor(memory) {
    const { bytes, words, positions, capacity } = viewsOf(memory);
    this.bytes = bytes;
    this.words = words;
    this.positions = positions;
    this.capacity = capacity;
    this.limit = Math.min(maxPayload, this.capacity / 2 - entryHeaderBytes);
    this.head = Number(Atomics.load(this.positions, head));
    this.offset = this.head % this.capacity;
  }

  /**
   * Writes one entry; false when there is no room just now. What stands before the payload is given apart, so that a long
   * payload is copied once, into the ring.
   * @param {Uint8Array} payload
   * @param {Uint8Array} lead
   * @param {number} leadBytes how much of `lead` counts
   */
  tryWrite(payload, lead = nothing, leadBytes = lead.length) {
    const length = leadBytes + payload.length;
    if (length > this.limit)
      throw new RingError("PayloadTooLarge", `a payload of ${length} bytes; the limit is ${this.limit}`, {
        size: length,
        limit: this.limit,
      });
    const needed = entryHeaderBytes + ((length + 7) & ~7);
    const toEnd = this.capacity - this.offset;
    const skipped = needed > toEnd ? toEnd : 0;
    const used = this.head - Number(Atomics.load(this.positions, tail));
    if (!(used >= 0 && used <= this.capacity)) throw new RingError("CorruptedData", `tail, ${used} unread`);
    if (skipped + needed > this.capacity - used) return false;
    const { bytes, words } = this;
    if (skipped > 0) {
      words[(headerBytes + this.offset) >>> 2] = skipMark;
      words[((headerBytes + this.offset) >>> 2) + 1] = 0;
      this.offset = 0;
    }
    const at = headerBytes + this.offset;
    const body = at + entryHeaderBytes;
    for (let index = 0; index < leadBytes; index++) bytes[body + index] = lead[index];
    if (payload.length > 0) bytes.set(payload, body + leadBytes);
    for (let pad = body + length; pad < at + needed; pad++) bytes[pad] = 0;
    words[at >>> 2] = length;
    words[(at >>> 2) + 1] = crc32(bytes, words, body, length);
    this.offset = (this.offset + needed) & (this.capacity - 1);
    this.head += skipped + needed;
    Atomics.store(this.positions, head, BigInt(this.head));
    return true;
  }
}

/** The reading end. */
export class Consumer {
  /** @param {ArrayBuffer} memory */
  constructor(memory) {
    const { bytes, words, positions, lows, capacity } = viewsOf(memory);
    this.bytes = bytes;
    this.words = words;
    this.positions = positions;
    this.lows = lows;
    this.capacity = capacity;
    this.tail = Number(Atomics.load(this.positions, tail));
    this.offset = this.tail % this.capacity;
    this.seen = this.tail;
    this.next = this.tail;
    this.nextOffset = this.offset;
  }

  get hasEntry() {
    if (this.seen === this.tail) this.seen = Number(Atomics.load(this.positions, head));
    return this.seen !== this.tail;
  }

  /** Whether the writer's position has moved: what a loop can ask for ever without making garbage. */
  get stirs() {
    return Atomics.load(this.lows, head * 2) !== (this.tail | 0);
  }

  /**
   * The next entry without a copy, or null. Valid until `advance`.
   * @returns {Uint8Array | null}
   */
  tryView() {
    if (!this.hasEntry) return null;
    const { words, bytes } = this;
    let position = this.tail;
    let offset = this.offset;
    if (!(this.seen > position && this.seen - position <= this.capacity && this.seen % 8 === 0))
      throw new RingError("CorruptedData", `head ${this.seen}, tail ${position}`);
    let length = words[(headerBytes + offset) >>> 2];
    if (length === skipMark) {
      position += this.capacity - offset;
      if (offset === 0 || position >= this.seen) throw new RingError("CorruptedData", `skip at ${this.tail}`);
      offset = 0;
      length = words[headerBytes >>> 2];
    }
    const taken = entryHeaderBytes + ((length + 7) & ~7);
    if (length > maxPayload || position + taken > this.seen || offset + taken > this.capacity)
      throw new RingError("CorruptedData", `len ${length} at ${position}, head ${this.seen}`);
    const at = headerBytes + offset;
    const expected = words[(at >>> 2) + 1];
    const actual = crc32(bytes, words, at + entryHeaderBytes, length);
    if (actual !== expected)
      throw new RingError("ChecksumMismatch", `the entry says ${expected}, its payload gives ${actual}`, {
        expected,
        actual,
      });
    this.next = position + taken;
    this.nextOffset = (offset + taken) & (this.capacity - 1);
    return bytes.subarray(at + entryHeaderBytes, at + entryHeaderBytes + length);
  }

  /** Gives the entry of the last `tryView` back to the writer. */
  advance() {
    this.tail = this.next;
    this.offset = this.nextOffset;
    Atomics.store(this.positions, tail, BigInt(this.tail));
  }
}
