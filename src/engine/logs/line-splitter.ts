/** Chunks of bytes to lines of text: what a pipe delivers has no respect for lines or characters. */

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Longer lines are split: a function that never ends its line must not fill the memory. */
export const maxLineBytes = 16 * 1024;

/**
 * One splitter per pipe. `\n`, `\r\n` and a lone `\r` (progress bars) each end a line. Bytes are decoded only once a line
 * is whole, so a character that was cut by a chunk border comes out whole; what is not UTF-8 becomes U+FFFD.
 * Lines do not depend on how the bytes were cut into chunks.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The line under way; made when first needed, since most chunks end with a line. */
  #pending: Uint8Array | null = null;
  #pendingLength = 0;
  /** The last byte was `\r`: a `\n` that follows belongs to it. */
  #afterReturn = false;

  constructor(maxBytes: number = maxLineBytes) {
    this.#maxBytes = Math.max(4, maxBytes);
  }

  /** The lines that this chunk completes. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (byte !== lineFeed && byte !== carriageReturn) continue;
      const continuesReturn =
        byte === lineFeed && this.#afterReturn && at === start && this.#pendingLength === 0;
      if (!continuesReturn) {
        this.#take(chunk.subarray(start, at), lines);
        lines.push(this.#flush());
      }
      this.#afterReturn = byte === carriageReturn;
      start = at + 1;
    }
    if (start < chunk.length) {
      this.#afterReturn = false;
      this.#take(chunk.subarray(start), lines);
    }
    return lines;
  }

  /** The pipe has ended: what is left without a line end, if anything. */
  end(): string[] {
    this.#afterReturn = false;
    return this.#pendingLength === 0 ? [] : [this.#flush()];
  }

  /** Adds bytes to the line under way; cuts off full pieces once it is longer than allowed. */
  #take(bytes: Uint8Array, lines: string[]): void {
    let rest = bytes;
    while (this.#pendingLength + rest.length > this.#maxBytes) {
      // One byte more than allowed is known here: it says whether the cut would split a character.
      const room = this.#maxBytes + 1 - this.#pendingLength;
      this.#append(rest.subarray(0, room));
      rest = rest.subarray(room);
      lines.push(this.#cut());
    }
    this.#append(rest);
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const pending = (this.#pending ??= new Uint8Array(this.#maxBytes + 1));
    pending.set(bytes, this.#pendingLength);
    this.#pendingLength += bytes.length;
  }

  /** The first piece of an overlong line, cut before a character; the remainder stays pending. */
  #cut(): string {
    const pending = (this.#pending ??= new Uint8Array(this.#maxBytes + 1));
    let at = this.#maxBytes;
    const lowest = at - 3;
    while (at > lowest && isContinuation(pending[at])) at -= 1;
    if (isContinuation(pending[at])) at = this.#maxBytes; // not UTF-8 anyway
    const piece = this.#decoder.decode(pending.subarray(0, at));
    pending.copyWithin(0, at, this.#pendingLength);
    this.#pendingLength -= at;
    return piece;
  }

  #flush(): string {
    if (this.#pending === null || this.#pendingLength === 0) return "";
    const text = this.#decoder.decode(this.#pending.subarray(0, this.#pendingLength));
    this.#pendingLength = 0;
    return text;
  }
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
