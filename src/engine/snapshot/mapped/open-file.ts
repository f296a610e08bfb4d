/** A file open for reading or writing, closed at the end of its scope. Blocking: image work has a thread of its own. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Stats } from "node:fs";

export class OpenFile implements Disposable {
  readonly #fd: number;

  /** Throws the system's error. */
  constructor(path: string, flags: "r" | "wx" = "r", mode = 0o600) {
    this.#fd = openSync(path, flags, mode);
  }

  /** Reads into the buffer, as much as there is; returns how many bytes. */
  read(into: Buffer, position: number): number {
    let done = 0;
    while (done < into.length) {
      const got = readSync(this.#fd, into, done, into.length - done, position + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  /** Writes all of it. */
  write(data: Buffer, position: number): void {
    for (let done = 0; done < data.length;)
      done += writeSync(this.#fd, data, done, data.length - done, position + done);
  }

  truncate(sizeBytes: number): void {
    ftruncateSync(this.#fd, sizeBytes);
  }

  stat(): Stats {
    return fstatSync(this.#fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
