/**
 * What left a simulated socket, until somebody collects it: packets of any length in a ring of bytes, in memory that two
 * threads share. One puts, one takes. A record is its length (u32), the time it is due (f64) and its bytes, rounded up to 8.
 */

const headerBytes = 16;
const putAt = 0;
const takenAt = 1;
const recordsAt = 16;

/** Memory for a wire that holds `sizeBytes` (a power of two) of records. */
export function wireMemory(sizeBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(recordsAt + sizeBytes);
}

export class Wire {
  readonly #indices: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #size: number;

  constructor(memory: SharedArrayBuffer) {
    this.#indices = new Int32Array(memory, 0, 2);
    this.#bytes = new Uint8Array(memory, recordsAt);
    this.#view = new DataView(memory, recordsAt);
    this.#size = memory.byteLength - recordsAt;
  }

  /** Whether a packet of this length would fit. */
  hasRoom(lengthBytes: number): boolean {
    const put = Atomics.load(this.#indices, putAt);
    const taken = Atomics.load(this.#indices, takenAt);
    // A record does not wrap: at worst the rest of the ring is left out.
    return this.#size - ((put - taken) | 0) >= 2 * recordBytes(lengthBytes);
  }

  /** Copies a packet. Only after `hasRoom`. */
  put(from: Uint8Array, start: number, lengthBytes: number, dueAtMs: number): void {
    let put = Atomics.load(this.#indices, putAt);
    const bytes = recordBytes(lengthBytes);
    let at = put & (this.#size - 1);
    if (at + bytes > this.#size) {
      this.#view.setInt32(at, -1, true);
      put = (put + this.#size - at) | 0;
      at = 0;
    }
    this.#view.setInt32(at, lengthBytes, true);
    this.#view.setFloat64(at + 8, dueAtMs, true);
    this.#bytes.set(from.subarray(start, start + lengthBytes), at + headerBytes);
    Atomics.store(this.#indices, putAt, (put + bytes) | 0);
    Atomics.notify(this.#indices, putAt);
  }

  /** A copy of the oldest packet that is due; null when there is none. */
  take(nowMs: number): Uint8Array | null {
    for (;;) {
      const taken = Atomics.load(this.#indices, takenAt);
      if (taken === Atomics.load(this.#indices, putAt)) return null;
      const at = taken & (this.#size - 1);
      const length = this.#view.getInt32(at, true);
      if (length < 0) {
        Atomics.store(this.#indices, takenAt, (taken + this.#size - at) | 0);
        continue;
      }
      if (this.#view.getFloat64(at + 8, true) > nowMs) return null;
      const packet = this.#bytes.slice(at + headerBytes, at + headerBytes + length);
      Atomics.store(this.#indices, takenAt, (taken + recordBytes(length)) | 0);
      return packet;
    }
  }
}

function recordBytes(lengthBytes: number): number {
  return headerBytes + ((lengthBytes + 7) & ~7);
}
