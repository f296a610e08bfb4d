/** Advice about another process's memory (process_madvise(2)). */
import type { Fd } from "./fd.ts";
import { errnoName, lastErrno, libc } from "./libc.ts";

/** madvise(2): write it to swap, or drop it where it is clean. Linux 5.4, for other processes 5.10. */
const MADV_PAGEOUT = 21;
const iovecBytes = 16;

type Madvise = {
  (pidfd: number, vector: DataView | null, count: number, advice: number, flags: number): number | bigint;
  async(
    pidfd: number,
    vector: DataView | null,
    count: number,
    advice: number,
    flags: number,
    done: (error: unknown, result: number | bigint) => void,
  ): void;
};

/** Vectors of calls under way: the thread of the pool reads them. */
const inUse = new Set<DataView>();

let madvise: Madvise | null = null;

/** glibc has had the wrapper since 2.36; the variadic syscall() cannot be called asynchronously. */
function processMadvise(): Madvise {
  madvise ??= libc.func("int64 process_madvise(int, void*, size_t, int, uint)") as unknown as Madvise;
  return madvise;
}

/** A part of a process's address space, as the process numbers it. */
export interface MemoryRange {
  readonly start: bigint;
  readonly bytes: bigint;
}

/**
 * Whether this process may advise that one. @returns why not, or `null`; also where the C library or the kernel knows no
 * such call.
 */
export function pageOutProblem(pidfd: Fd): string | null {
  let call: Madvise;
  try {
    call = processMadvise();
  } catch {
    return "the C library has no process_madvise (glibc 2.36)";
  }
  // An empty vector is checked for the rights to it all the same (mm/madvise.c).
  if (Number(call(pidfd.number, null, 0, MADV_PAGEOUT, 0)) >= 0) return null;
  return `process_madvise: ${errnoName(lastErrno())}`;
}

/**
 * Asks for a range to be written to swap; in a thread of the pool, as a device may be slow.
 * @returns bytes advised. 0: the kernel refuses this range (locked or of a device), or the process is gone
 */
export function pageOut(pidfd: Fd, range: MemoryRange): Promise<bigint> {
  const vector = new DataView(new ArrayBuffer(iovecBytes));
  vector.setBigUint64(0, range.start, true);
  vector.setBigUint64(8, range.bytes, true);
  inUse.add(vector);
  return new Promise((resolve, reject) => {
    processMadvise().async(pidfd.number, vector, 1, MADV_PAGEOUT, 0, (error, result) => {
      inUse.delete(vector);
      if (error !== null && error !== undefined)
        return reject(error instanceof Error ? error : new Error("process_madvise cannot be called"));
      const advised = BigInt(result);
      resolve(advised > 0n ? advised : 0n);
    });
  });
}
