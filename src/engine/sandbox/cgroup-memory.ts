/** Memory of a cgroup: limit, use, and deaths at the limit, by the files of v2 and of v1. */
import { existsSync } from "node:fs";
import { AetherError } from "../../protocol/errors.ts";
import { readKey, readNumber, readValue, writeValue } from "./cgroup-files.ts";

/** The memory side of one function's cgroup. */
export interface MemoryControl {
  /** `null`: without limit. Swap is taken away with it, or the limit would only slow a function down. */
  setLimit(bytes: number | null): void;
  /** Lets memory of a cgroup with a limit go to swap, or stops that again; what is there stays there. */
  allowSwap(allowed: boolean): void;
  /** Charged to the cgroup, page cache included; `null` where nobody counts. */
  usage(): number | null;
  /** Processes the kernel has killed at the limit, since the cgroup was made. */
  oomKills(): number;
}

/** v2: memory.max, memory.swap.max, memory.current, memory.events (cgroup-v2.rst, "Memory Interface Files"). */
export function memoryV2(path: string): MemoryControl {
  const swap = `${path}/memory.swap.max`;
  return {
    setLimit(bytes) {
      writeValue(
        `${path}/memory.max`,
        bytes === null ? "max" : String(bytes),
        `memory limit of ${path} cannot be set`,
      );
      if (existsSync(swap))
        writeValue(swap, bytes === null ? "max" : "0", `swap limit of ${path} cannot be set`);
    },
    allowSwap(allowed) {
      if (!existsSync(swap) || readValue(`${path}/memory.max`) === "max") return;
      writeValue(swap, allowed ? "max" : "0", `swap limit of ${path} cannot be set`);
    },
    usage: () => readNumber(`${path}/memory.current`),
    oomKills: () => readKey(`${path}/memory.events`, "oom_kill") ?? 0,
  };
}

/**
 * v1: memory.limit_in_bytes, memory.memsw.limit_in_bytes (memory and swap together), memory.oom_control
 * (cgroup-v1/memory.rst). The kernel keeps memsw >= memory, so a raise begins with memsw and a cut ends with it.
 */
export function memoryV1(path: string): MemoryControl {
  const memory = `${path}/memory.limit_in_bytes`;
  const both = `${path}/memory.memsw.limit_in_bytes`;
  return {
    setLimit(bytes) {
      const value = bytes === null ? "-1" : String(bytes);
      const present = readNumber(both);
      const raises = (bytes ?? Number.POSITIVE_INFINITY) > (present ?? 0);
      const files = present === null ? [memory] : raises ? [both, memory] : [memory, both];
      for (const file of files) writeValue(file, value, `memory limit of ${path} cannot be set`);
    },
    // memsw limits memory and swap together: a page that moves from one to the other changes nothing.
    allowSwap: () => undefined,
    usage: () => readNumber(`${path}/memory.usage_in_bytes`),
    oomKills: () => readKey(`${path}/memory.oom_control`, "oom_kill") ?? 0,
  };
}

/** A machine without a memory controller: a function may run there, but a limit that was asked for is not dropped in silence. */
export function memoryAbsent(why: string, hint: string): MemoryControl {
  return {
    setLimit(bytes) {
      if (bytes === null) return;
      throw new AetherError("AE_SANDBOX_SETUP_FAILED", "the memory limit cannot be kept", { why, hint });
    },
    allowSwap: () => undefined,
    usage: () => null,
    oomKills: () => 0,
  };
}
