/** The last lines of one function, bounded by number and by bytes. */
import type { LogLine } from "../../protocol/control.ts";

export class LogRing {
  readonly #maxLines: number;
  readonly #maxBytes: number;
  /** Lines from `#head` on are kept; the slots before it are cleared and cut off now and then. */
  #lines: (LogLine | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxLines: number, maxBytes: number) {
    this.#maxLines = Math.max(1, maxLines);
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#lines.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The newest line always stays, however long it is. */
  push(line: LogLine): void {
    this.#lines.push(line);
    this.#bytes += lineBytes(line);
    while (this.size > this.#maxLines || (this.#bytes > this.#maxBytes && this.size > 1)) {
      const oldest = this.#lines[this.#head];
      if (oldest !== undefined) this.#bytes -= lineBytes(oldest);
      this.#lines[this.#head] = undefined;
      this.#head += 1;
    }
    if (this.#head > 256 && this.#head * 2 > this.#lines.length) {
      this.#lines = this.#lines.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The last `count` lines, oldest first. */
  tail(count: number): LogLine[] {
    if (count <= 0) return [];
    const kept = this.#lines.slice(Math.max(this.#head, this.#lines.length - count));
    return kept.filter((line) => line !== undefined);
  }
}

/** What a line costs in memory, roughly: two bytes a character and the object around it. */
function lineBytes(line: LogLine): number {
  return line.text.length * 2 + 64;
}
