/** Memory that was freed goes back to the kernel. */
import { libc } from "./libc.ts";

const cMallocTrim = libc.func("int malloc_trim(size_t)");

/**
 * glibc keeps what was freed for the next allocation, in an arena for each thread, and gives only the end of each back by
 * itself; this gives back every whole page in between, too (malloc_trim(3)). Takes some milliseconds for a heap of 30 MiB, in
 * which threads that share an arena wait for one another.
 */
export function trimHeap(): void {
  cMallocTrim(0);
}
