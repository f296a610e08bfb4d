/** Whether a process is still the one that was meant: with its start time, a pid is never used twice. */
import { readFileSync } from "node:fs";
import { parseStartTicks } from "./engine-record.ts";

/** Start time of a process, clock ticks since boot; `null` where there is none of that pid. */
export function processStartTicks(pid: number): number | null {
  try {
    return parseStartTicks(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return null; // no such process
  }
}
