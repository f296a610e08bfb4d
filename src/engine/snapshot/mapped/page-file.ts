/** pages-N.img: the saved pages of one process, without any frame, in the order of its pagemap. */
import { open, rename } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { PagesWriter } from "./pages-writer.ts";
import { pageBytes } from "./memory-image.ts";
import type { PageRun } from "./memory-image.ts";

export class PageFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async open(directory: string, pagesId: number): Promise<PageFile> {
    const path = `${directory}/pages-${pagesId}.img`;
    return new PageFile(path, await open(path));
  }

  /**
   * Copies a run into a heap file.
   * @param over whether there is something below, so that zeros count
   */
  async copyTo(heap: PagesWriter, run: PageRun, offset: number, over: boolean): Promise<void> {
    const bytes = run.pages * pageBytes;
    if (over) await heap.copyOver(this.#file, run.dataOffset, bytes, offset);
    else await heap.copySparse(this.#file, run.dataOffset, bytes, offset);
  }

  /** Replaces the file by one that has these runs alone, in this order. */
  async keepOnly(runs: readonly PageRun[]): Promise<void> {
    const path = `${this.#path}.new`;
    {
      await using rest = await PagesWriter.create(path);
      for (const run of runs) {
        const bytes = run.pages * pageBytes;
        await rest.copyOver(this.#file, run.dataOffset, bytes, rest.reserve(bytes));
      }
      await rest.finish();
    }
    await rename(path, this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
