/** What a process has in memory, by /proc/PID/maps and /proc/PID/status (proc(5)). */
import { readFileSync } from "node:fs";
import type { MemoryRange } from "../../ffi/process-memory.ts";

/** "7f12a000-7f12b000 rw-p 00000000 00:00 0   [stack]" */
const linePattern = /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([ps]) \S+ \S+ (\d+)\s*(.*)$/;
/** The kernel's own pages in every process. */
const kernelPages = /^\[(vvar|vdso|vsyscall|vvar_vclock|uprobes)/;

/**
 * Memory that is this process's alone and that only swap can hold: private and anonymous, or a private copy of a file that it
 * may have written to. Programs and libraries are left: they are shared, or would be read from a disk again.
 */
export function privateRanges(mapsText: string): MemoryRange[] {
  return mapsText.split("\n").flatMap((line) => {
    const [, from, to, , writable, , sharing, inode, name = ""] = linePattern.exec(line) ?? [];
    if (from === undefined || to === undefined || sharing !== "p" || kernelPages.test(name)) return [];
    if (inode !== "0" && writable !== "w") return [];
    const start = BigInt(`0x${from}`);
    return [{ start, bytes: BigInt(`0x${to}`) - start }];
  });
}

/** Cuts ranges into pieces of at most so many bytes. */
export function pieces(ranges: readonly MemoryRange[], mostBytes: bigint): MemoryRange[] {
  return ranges.flatMap(({ start, bytes }) => {
    const found: MemoryRange[] = [];
    for (let at = 0n; at < bytes; at += mostBytes)
      found.push({ start: start + at, bytes: bytes - at < mostBytes ? bytes - at : mostBytes });
    return found;
  });
}

/** Anonymous memory present, of the text of /proc/PID/status; bytes. */
export function anonymousBytes(statusText: string): number {
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(statusText)?.[1] ?? 0) * 1024;
}

/** A file of a process; "" where the process is gone. */
export function readProcessFile(pid: number, name: "maps" | "status"): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
