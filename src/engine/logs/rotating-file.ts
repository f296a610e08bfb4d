/** One function's log on disk: appended in the background, rotated by size, never in the way of the function. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

export interface RotatingFileOptions {
  readonly path: string;
  /** A file of this size is put aside as `path.1`. */
  readonly maxBytes?: number;
  /** All files together, the current one included. */
  readonly files?: number;
  /** Text that waits for the disk; beyond it new text is dropped and counted. */
  readonly maxBufferedBytes?: number;
  /** Once when writing begins to fail, and once when it works again. */
  readonly onNotice: (text: string) => void;
}

export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #files: number;
  readonly #maxBuffered: number;
  readonly #onNotice: (text: string) => void;
  #buffer: string[] = [];
  #buffered = 0;
  #dropped = 0;
  #handle: FileHandle | null = null;
  #size = 0;
  #writing: Promise<void> | null = null;
  #failing = false;
  #closed = false;

  constructor(options: RotatingFileOptions) {
    this.#path = options.path;
    this.#maxBytes = options.maxBytes ?? 8 * 1024 * 1024;
    this.#files = Math.max(1, options.files ?? 3);
    this.#maxBuffered = options.maxBufferedBytes ?? 1024 * 1024;
    this.#onNotice = options.onNotice;
  }

  /** Takes text, which should end with a line end, and returns at once. */
  write(text: string): void {
    if (this.#closed) return;
    const bytes = Buffer.byteLength(text);
    if (this.#buffered + bytes > this.#maxBuffered) {
      this.#dropped += 1;
      return;
    }
    this.#buffer.push(text);
    this.#buffered += bytes;
    this.#writing ??= this.#drain();
  }

  /** Resolves when everything taken so far is written, or was dropped because writing fails. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    await this.#closeHandle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // gather what is written in the same turn
    while (this.#buffer.length > 0) {
      const dropped =
        this.#dropped === 0 ? "" : `-- ${this.#dropped} lines dropped: the disk was too slow --\n`;
      const text = this.#buffer.join("") + dropped;
      this.#buffer = [];
      this.#buffered = 0;
      this.#dropped = 0;
      try {
        await this.#put(Buffer.from(text));
        if (this.#failing) this.#onNotice(`writing ${this.#path} works again; some lines are missing in it`);
        this.#failing = false;
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#writing = null;
  }

  async #put(bytes: Uint8Array): Promise<void> {
    if (this.#handle !== null && this.#size > 0 && this.#size + bytes.length > this.#maxBytes)
      await this.#rotate();
    this.#handle ??= await this.#open();
    await this.#handle.appendFile(bytes);
    this.#size += bytes.length;
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const handle = await open(this.#path, "a", 0o600);
    this.#size = (await handle.stat()).size;
    return handle;
  }

  async #rotate(): Promise<void> {
    await this.#closeHandle();
    const older = (index: number): string => (index === 0 ? this.#path : `${this.#path}.${index}`);
    await rm(older(this.#files - 1), { force: true });
    for (let index = this.#files - 2; index >= 0; index -= 1) {
      await rename(older(index), older(index + 1)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // not that many files yet
      });
    }
  }

  /** The text is lost; the function and the engine go on, and the next text is tried anew. */
  async #failed(error: unknown): Promise<void> {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === "ENOSPC"
        ? "no space left on the device"
        : error instanceof Error
          ? error.message
          : String(error);
    if (!this.#failing) this.#onNotice(`cannot write ${this.#path}: ${why}; its log goes on in memory only`);
    this.#failing = true;
    await this.#closeHandle();
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => undefined); // nothing can be done about it, and the next open tells
  }
}
