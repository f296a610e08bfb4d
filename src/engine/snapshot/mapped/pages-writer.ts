/** Writes files of pages: the heap file, sparse where nothing was ever written, and what stays of the page file. */
import { pageBytes } from "./memory-image.ts";
import { OpenFile } from "./open-file.ts";

/** Read and written at a time; bounds the memory a mapping takes. */
const chunkBytes = 4 * 1024 * 1024;
const buffer = Buffer.allocUnsafe(chunkBytes);
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

/** A file of pages under construction. */
export class PagesWriter implements Disposable {
  readonly #file: OpenFile;
  #end = 0;

  /** Creates the file, 0600. Throws the system's error when it is there already. */
  constructor(path: string) {
    this.#file = new OpenFile(path, "wx");
  }

  /** Room for an area; returns its offset. */
  reserve(sizeBytes: number): number {
    const offset = this.#end;
    this.#end += sizeBytes;
    return offset;
  }

  /** Copies a piece of another file, pages of zeros left out; what lies beyond that file's end stays a hole. */
  copySparse(from: OpenFile, position: number, sizeBytes: number, offset: number): void {
    this.#copy(from, position, sizeBytes, (chunk, at) => {
      for (const [first, last] of nonZeroRuns(chunk))
        this.#file.write(chunk.subarray(first, last), offset + at + first);
    });
  }

  /** Copies a piece of another file over what is there, zeros included. */
  copyOver(from: OpenFile, position: number, sizeBytes: number, offset: number): void {
    this.#copy(from, position, sizeBytes, (chunk, at) => this.#file.write(chunk, offset + at));
  }

  #copy(
    from: OpenFile,
    position: number,
    sizeBytes: number,
    write: (chunk: Buffer, at: number) => void,
  ): void {
    for (let at = 0; at < sizeBytes;) {
      const wanted = buffer.subarray(0, Math.min(chunkBytes, sizeBytes - at));
      const got = from.read(wanted, position + at);
      if (got === 0) return;
      write(wanted.subarray(0, got), at);
      at += got;
    }
  }

  /** Gives the file its full length: a mapping beyond the end would be a SIGBUS. Returns it. */
  finish(): number {
    this.#file.truncate(this.#end);
    return this.#end;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
