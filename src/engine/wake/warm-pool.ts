/**
 * Who has a restore prepared ahead. Each costs memory (a sandbox, a waiting CRIU, and what it has restored), so there are so many for the whole
 * engine, and who was woken last keeps its. A function that declares `warm_pool` is not counted here: it has what it declares.
 */
import { readFileSync } from "node:fs";

/**
 * What a prepared restore takes: 1.4 MiB of memory of its own that waits for a restore, 4 MiB with page tables where it is done
 * ahead and what the first request touches is there (measured with Python and Node), and what the kernel keeps for a sandbox.
 */
const bytesEach = 6 * 1024 * 1024;
/** The share of the machine's memory that all of them together may take. */
const shareOfMemory = 0.05;
/** Below this share of available memory none is added. */
const leastAvailable = 0.1;

/** How many prepared restores a machine has room for. */
export function poolCapacity(memoryBytes: number): number {
  return Math.max(8, Math.floor((memoryBytes * shareOfMemory) / bytesEach));
}

/** Whether memory is short, by /proc/meminfo (proc(5)). */
export function isMemoryShort(text: string = readFileSync("/proc/meminfo", "utf8")): boolean {
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return kib("MemAvailable") < kib("MemTotal") * leastAvailable;
}

/** A function, as the pool knows it. */
export interface PoolMember {
  /** Gives up what is prepared for it. */
  evict(): void;
}

export class WarmPool {
  readonly #capacity: number;
  readonly #memoryIsShort: () => boolean;
  /** Members with a place, the least recently woken first. */
  readonly #members = new Set<PoolMember>();
  /** Those that were ever woken: who never was does not push anybody out. */
  readonly #woken = new WeakSet<PoolMember>();

  constructor(capacity: number, memoryIsShort: () => boolean = isMemoryShort) {
    this.#capacity = capacity;
    this.#memoryIsShort = memoryIsShort;
  }

  /** Places taken. */
  get size(): number {
    return this.#members.size;
  }

  /** Whether a restore may be prepared for it. Another one may have to give way. */
  admit(member: PoolMember): boolean {
    if (this.#members.has(member)) return true;
    const full = this.#members.size >= this.#capacity || this.#memoryIsShort();
    if (full) {
      const [oldest] = this.#members;
      if (oldest === undefined || !this.#woken.has(member)) return false;
      this.release(oldest);
      oldest.evict();
    }
    this.#members.add(member);
    return true;
  }

  /** It was woken just now: the last to give way from here on. */
  woken(member: PoolMember): void {
    this.#woken.add(member);
    if (this.#members.delete(member)) this.#members.add(member);
  }

  /** It needs no place any more. */
  release(member: PoolMember): void {
    this.#members.delete(member);
  }
}
