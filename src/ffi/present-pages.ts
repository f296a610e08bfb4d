/** Which pages of another process are in memory: the ioctl PAGEMAP_SCAN of /proc/PID/pagemap (ioctl_fs(2), Linux 6.7). */
import { openForReading } from "./fd.ts";
import { errno, lastErrno, libc } from "./libc.ts";
import { nativeBlock } from "./native-block.ts";

const cIoctl = libc.func("int ioctl(int, ulong, uint64)");

/** _IOWR('f', 16, struct pm_scan_arg) of linux/fs.h; the struct has 12 numbers of 64 bits. */
const PAGEMAP_SCAN = 0xc0606610;
const argumentBytes = 96;
const PAGE_IS_FILE = 1n << 2n;
const PAGE_IS_PRESENT = 1n << 3n;
const PAGE_IS_PFNZERO = 1n << 5n;
/** struct page_region: start, end, categories. */
const regionBytes = 24;
/** Answers of one call; more are asked for. */
const maxRegions = 1024;
/** Calls: a process in more pieces than that is looked at in part. */
const maxCalls = 16;
/** User space ends below it (x86-64 and arm64 with 47 and 48 bits of it). */
const endOfSpace = 0x7fff_ffff_f000;

/** Pages in a row. Addresses are exact as numbers: user space has fewer than 53 bits. */
export interface PageRun {
  readonly start: number;
  readonly end: number;
  /** Of a file or shared memory; else they are the process's own. */
  readonly isFile: boolean;
}

const memory = nativeBlock(argumentBytes + maxRegions * regionBytes);

/** The pages of a process that are in memory, the zero page apart; `null`: it is gone, or the kernel knows no such call. */
export function presentPages(pid: number): PageRun[] | null {
  const { at, view } = memory();
  const runs: PageRun[] = [];
  try {
    using pagemap = openForReading(`/proc/${pid}/pagemap`);
    let from = 0n;
    for (let call = 0; call < maxCalls; call++) {
      const words = [
        BigInt(argumentBytes),
        0n, // flags
        from,
        BigInt(endOfSpace),
        0n, // walk_end: the answer's
        at + BigInt(argumentBytes),
        BigInt(maxRegions),
        0n, // max_pages: no limit
        PAGE_IS_PFNZERO, // inverted: not set
        PAGE_IS_PRESENT | PAGE_IS_PFNZERO, // all of these
        0n,
        PAGE_IS_FILE, // to be told
      ];
      for (const [index, word] of words.entries()) view.setBigUint64(index * 8, word, true);
      const count = Number(cIoctl(pagemap.number, PAGEMAP_SCAN, at));
      if (count < 0) return lastErrno() === errno.EINTR ? runs : null;
      for (let index = 0; index < count; index++) {
        const region = argumentBytes + index * regionBytes;
        const categories = view.getBigUint64(region + 16, true);
        runs.push({
          start: Number(view.getBigUint64(region, true)),
          end: Number(view.getBigUint64(region + 8, true)),
          isFile: (categories & PAGE_IS_FILE) !== 0n,
        });
      }
      from = view.getBigUint64(32, true);
      if (count < maxRegions || from >= BigInt(endOfSpace)) break;
    }
    return runs;
  } catch {
    return null; // It ended meanwhile.
  }
}
