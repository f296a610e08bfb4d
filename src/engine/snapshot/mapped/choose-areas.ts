/** Which areas of a process are worth mapping, and may be. The others are read back page by page, as CRIU does. */
import { areaStatus, pageBytes } from "./memory-image.ts";
import type { MemoryArea, PageRun } from "./memory-image.ts";

const MAP_SHARED = 0x01;
const MAP_DROPPABLE = 0x08;
const MAP_GROWSDOWN = 0x100;
const MAP_LOCKED = 0x2000;
const MAP_HUGETLB = 0x40000;
const unmappable = MAP_SHARED | MAP_DROPPABLE | MAP_GROWSDOWN | MAP_LOCKED | MAP_HUGETLB;
/** Only memory without a file can be wiped on fork (madvise(2)). */
const wipeOnFork = 1n << 18n;

const anonymous = areaStatus.regular | areaStatus.anonPrivate;
const ofFile = areaStatus.regular | areaStatus.filePrivate;

/** Reading a page takes about 2.5 µs, mapping an area 5 µs and the later touch of a page 1 to 2 µs: few pages are read. */
const fewPages = 8;
/** With so many saved pages an area is mapped however thin they lie. */
const manyPages = 512;

/** Saved pages within an area. */
export function savedPages(area: MemoryArea, runs: readonly PageRun[]): number {
  let pages = 0;
  for (const run of runs) {
    const from = Math.max(run.start, area.start);
    const to = Math.min(run.start + run.pages * pageBytes, area.end);
    if (to > from) pages += (to - from) / pageBytes;
  }
  return pages;
}

/** Whether the area may become a mapping of the heap file, and gains by it. */
export function isWorthMapping(area: MemoryArea, runs: readonly PageRun[]): boolean {
  const kind = area.status & ~areaStatus.heap;
  if ((kind !== anonymous && kind !== ofFile) || (area.flags & unmappable) !== 0) return false;
  if ((area.advice & wipeOnFork) !== 0n) return false;
  const saved = savedPages(area, runs);
  if (saved < fewPages) return false;
  const all = (area.end - area.start) / pageBytes;
  // Touching a page that was never saved costs two: one of the file, one of the process. Thin areas stay as they are.
  // Of a file's own mapping (a program's data), what was not changed has to be copied into the heap file.
  return kind === ofFile ? saved * 2 >= all : saved >= manyPages || saved * 4 >= all;
}
