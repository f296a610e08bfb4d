/** pages-N.img: the saved pages of one process, without any frame, in the order of its pagemap. */
import { renameSync } from "node:fs";
import { pageBytes } from "./memory-image.ts";
import type { PageRun } from "./memory-image.ts";
import { OpenFile } from "./open-file.ts";
import { PagesWriter } from "./pages-writer.ts";

export class PageFile implements Disposable {
  readonly #path: string;
  readonly #file: OpenFile;

  constructor(directory: string, pagesId: number) {
    this.#path = `${directory}/pages-${pagesId}.img`;
    this.#file = new OpenFile(this.#path);
  }

  /**
   * Copies a run into a heap file.
   * @param over whether there is something below, so that zeros count
   */
  copyTo(heap: PagesWriter, run: PageRun, offset: number, over: boolean): void {
    const bytes = run.pages * pageBytes;
    if (over) heap.copyOver(this.#file, run.dataOffset, bytes, offset);
    else heap.copySparse(this.#file, run.dataOffset, bytes, offset);
  }

  /** Replaces the file by one that has these runs alone, in this order. */
  keepOnly(runs: readonly PageRun[]): void {
    const path = `${this.#path}.new`;
    {
      using rest = new PagesWriter(path);
      for (const run of runs) {
        const bytes = run.pages * pageBytes;
        rest.copyOver(this.#file, run.dataOffset, bytes, rest.reserve(bytes));
      }
      rest.finish();
    }
    renameSync(path, this.#path);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
