/** Writes files of pages: the heap file, sparse where nothing was ever written, and what stays of the page file. */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { pageBytes } from "./memory-image.ts";

/** Read and written at a time; bounds the memory a mapping takes. */
const chunkBytes = 4 * 1024 * 1024;

const zeroPage = Buffer.alloc(pageBytes);

/** Runs of pages in a buffer that are not all zero, as [from, to). A hole of the file reads as zeros and takes no memory. */
function* nonZeroRuns(data: Buffer): Generator<readonly [number, number]> {
  let from = -1;
  for (let at = 0; at < data.length; at += pageBytes) {
    const page = data.subarray(at, Math.min(at + pageBytes, data.length));
    const zero = page.equals(zeroPage.subarray(0, page.length));
    if (!zero && from < 0) from = at;
    if (zero && from >= 0) {
      yield [from, at];
      from = -1;
    }
  }
  if (from >= 0) yield [from, data.length];
}

async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let at = 0; at < data.length;) {
    const { bytesWritten } = await file.write(data, at, data.length - at, position + at);
    at += bytesWritten;
  }
}

/** A file of pages under construction. */
export class PagesWriter implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.allocUnsafe(chunkBytes);
  #end = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Creates the file, 0600. Rejects with the system's error when it is there already. */
  static async create(path: string): Promise<PagesWriter> {
    return new PagesWriter(await open(path, "wx", 0o600));
  }

  /** Room for an area; returns its offset. */
  reserve(sizeBytes: number): number {
    const offset = this.#end;
    this.#end += sizeBytes;
    return offset;
  }

  /** Copies a piece of another file, pages of zeros left out; what lies beyond that file's end stays a hole. */
  async copySparse(from: FileHandle, position: number, sizeBytes: number, offset: number): Promise<void> {
    await this.#copy(from, position, sizeBytes, async (chunk, at) => {
      for (const [first, last] of nonZeroRuns(chunk))
        await writeAll(this.#file, chunk.subarray(first, last), offset + at + first);
    });
  }

  /** Copies a piece of another file over what is there, zeros included. */
  async copyOver(from: FileHandle, position: number, sizeBytes: number, offset: number): Promise<void> {
    await this.#copy(from, position, sizeBytes, (chunk, at) => writeAll(this.#file, chunk, offset + at));
  }

  async #copy(
    from: FileHandle,
    position: number,
    sizeBytes: number,
    write: (chunk: Buffer, at: number) => Promise<void>,
  ): Promise<void> {
    for (let at = 0; at < sizeBytes;) {
      const { bytesRead } = await from.read(
        this.#buffer,
        0,
        Math.min(chunkBytes, sizeBytes - at),
        position + at,
      );
      if (bytesRead === 0) return;
      await write(this.#buffer.subarray(0, bytesRead), at);
      at += bytesRead;
    }
  }

  /** Gives the file its full length: a mapping beyond the end would be a SIGBUS. */
  async finish(): Promise<number> {
    await this.#file.truncate(this.#end);
    return this.#end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
