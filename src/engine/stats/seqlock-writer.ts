/**
 * Writes records that others read at the same time, one writer, no lock: the sequence is odd while a record changes.
 * Every word goes through Atomics, so that the order holds on processors that reorder stores; only words that differ are
 * written, and a record without a difference is left alone.
 */
import { encodeRecord } from "../../protocol/stats-codec.ts";
import { sequenceAt, usedAt } from "../../protocol/stats-fields.ts";
import type { Fields, RecordLayout, ValuesOf } from "../../protocol/stats-fields.ts";

const wordBytes = 4;

export class SeqlockWriter {
  readonly #words: Int32Array;
  /** What stands in the region, and what is to stand there. */
  readonly #written: Int32Array;
  readonly #staging: DataView;
  readonly #stagingWords: Int32Array;

  /** @param buffer the region, zeros. @param largestRecordBytes of the layouts that will be written */
  constructor(buffer: ArrayBuffer, largestRecordBytes: number) {
    this.#words = new Int32Array(buffer);
    this.#written = new Int32Array(this.#words.length);
    const staging = new ArrayBuffer(largestRecordBytes);
    this.#staging = new DataView(staging);
    this.#stagingWords = new Int32Array(staging);
  }

  /** Writes a record where it differs. Returns whether it did. */
  write<F extends Fields>(layout: RecordLayout<F>, at: number, values: ValuesOf<F>): boolean {
    this.#stagingWords.fill(0);
    encodeRecord(layout, values, this.#staging, 0);
    this.#staging.setUint32(usedAt, 1, true);
    return this.#publish(at, layout.sizeBytes);
  }

  /** Gives a record free. */
  clear<F extends Fields>(layout: RecordLayout<F>, at: number): void {
    this.#stagingWords.fill(0);
    this.#publish(at, layout.sizeBytes);
  }

  #publish(at: number, sizeBytes: number): boolean {
    const start = at / wordBytes;
    const count = sizeBytes / wordBytes;
    const sequence = start + sequenceAt / wordBytes;
    const before = this.#written[sequence] ?? 0;
    let open = false;
    for (let index = 1; index < count; index++) {
      const word = this.#stagingWords[index] ?? 0;
      if (word === this.#written[start + index]) continue;
      if (!open) Atomics.store(this.#words, sequence, (before + 1) | 0);
      open = true;
      Atomics.store(this.#words, start + index, word);
      this.#written[start + index] = word;
    }
    if (!open) return false;
    this.#written[sequence] = (before + 2) | 0;
    Atomics.store(this.#words, sequence, (before + 2) | 0);
    return true;
  }
}
