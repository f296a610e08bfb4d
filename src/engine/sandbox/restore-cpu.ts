/**
 * One processor for one restore. CRIU and the processes it makes wait for each other some fifty times; on one processor each
 * of these waits is a switch, on two it is an interrupt to a processor that may have to be woken first. Measured on two
 * virtual processors: 1.5 times faster with one thread, 1.6 times with eleven.
 */
import { readdirSync } from "node:fs";
import { cpusOf, currentCpu, onlyCpu, setAffinity } from "../../ffi/affinity.ts";
import type { CpuMask } from "../../ffi/affinity.ts";

/** A thread made meanwhile by one that is still bound inherits the binding: looked for again, so often at most. */
const maxPasses = 4;

/** Processors on which a restore is under way. */
const taken = new Set<number>();

export class RestoreCpu implements Disposable {
  readonly #cpu: number;
  readonly #former: CpuMask;

  private constructor(cpu: number, former: CpuMask) {
    this.#cpu = cpu;
    this.#former = former;
  }

  /**
   * Binds a CRIU worker, and with it everything it will make, to a processor without another restore, and not to the reactor's
   * own if there is a choice: what follows the answer is done there while the process begins to run. `null`: all have one, or
   * the worker is gone; it runs where the kernel likes then.
   * @param former where it may run now
   */
  static bind(workerPid: number, former: CpuMask): RestoreCpu | null {
    const free = cpusOf(former).filter((cpu) => !taken.has(cpu));
    const here = currentCpu();
    const cpu = free.find((each) => each !== here) ?? free[0];
    if (cpu === undefined || !setAffinity(workerPid, onlyCpu(cpu))) return null;
    taken.add(cpu);
    return new RestoreCpu(cpu, former);
  }

  /** Lets every thread of the restored processes run where it may again. */
  release(pids: readonly number[]): void {
    const released = new Set<number>();
    for (let pass = 0; pass < maxPasses; pass++) {
      const found = pids.flatMap(threadsOf).filter((tid) => !released.has(tid));
      if (found.length === 0) break;
      for (const tid of found) {
        setAffinity(tid, this.#former);
        released.add(tid);
      }
    }
  }

  /** The processor is free for the next restore. */
  [Symbol.dispose](): void {
    taken.delete(this.#cpu);
  }
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return []; // It ended meanwhile.
  }
}
