/**
 * The pages a function touches when it is woken, learned from a wake and brought into memory ahead of the next one, while its
 * restored processes are held. A first request otherwise takes a page fault for each: some 400, half of its time.
 */
import { presentPages } from "../../ffi/present-pages.ts";
import type { PageRun } from "../../ffi/present-pages.ts";
import { pagesATime, touchPages } from "../../ffi/touch-pages.ts";
import { innerPid } from "./process-tree.ts";

const pageBytes = 4096;
/** A read fault of a file brings what is around it, aligned to that (fault_around_bytes, mm/memory.c). */
const aroundBytes = 16 * pageBytes;
/** Limits for one process: 4 MiB of its own memory, and pages of files that others share. */
const maxWritten = 1024;
const maxRead = 2048;

interface Pages {
  /** Addresses of pages that were its own. */
  readonly written: readonly number[];
  /** One address of each neighbourhood of pages of a file. */
  readonly read: readonly number[];
}

/** What of present pages is worth being touched ahead. */
export function pagesToTouch(runs: readonly PageRun[]): Pages {
  const written: number[] = [];
  const read: number[] = [];
  let around = -1;
  for (const { start, end, isFile } of runs) {
    if (!isFile) {
      for (let at = start; at < end && written.length < maxWritten; at += pageBytes) written.push(at);
      continue;
    }
    for (let at = start; at < end && read.length < maxRead; at += aroundBytes - (at % aroundBytes)) {
      const neighbourhood = Math.floor(at / aroundBytes);
      if (neighbourhood !== around) read.push(at);
      around = neighbourhood;
    }
  }
  return { written, read };
}

export class WorkingSet {
  /** By process ids inside the sandbox, which are the same after every restore. */
  readonly #processes: ReadonlyMap<number, Pages>;

  private constructor(processes: ReadonlyMap<number, Pages>) {
    this.#processes = processes;
  }

  /** What processes that were restored a moment ago have touched since; `null` where the kernel does not tell. */
  static of(pids: readonly number[]): WorkingSet | null {
    const processes = new Map<number, Pages>();
    for (const pid of pids) {
      const inner = innerPid(pid);
      const runs = presentPages(pid);
      if (inner !== null && runs !== null) processes.set(inner, pagesToTouch(runs));
    }
    return processes.size === 0 ? null : new WorkingSet(processes);
  }

  /**
   * Brings it into the memory of held processes, a part at a time.
   * @param pids host process ids
   * @param areHeld asked before each part: what runs must not be written to
   */
  async touch(pids: readonly number[], areHeld: () => boolean): Promise<void> {
    for (const pid of pids) {
      const pages = this.#processes.get(innerPid(pid) ?? 0);
      if (pages === undefined) continue;
      await touchAll(pid, pages.written, true, areHeld);
      await touchAll(pid, pages.read, false, areHeld);
    }
  }
}

/** Passes over what cannot be touched: not mapped any more, or not to be written. */
async function touchAll(
  pid: number,
  addresses: readonly number[],
  write: boolean,
  areHeld: () => boolean,
): Promise<void> {
  for (let from = 0; from < addresses.length;) {
    if (!areHeld()) return;
    const part = addresses.slice(from, from + pagesATime);
    const done = touchPages(pid, part, write);
    from += done < part.length ? done + 1 : done;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
