/** Processes of the machine as a test sees them: trees, names, and whether one is still there. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessMark {
  readonly pid: number;
  /** Start time in ticks: with it a pid is never mistaken for its successor. */
  readonly startTicks: string;
  readonly parent: number;
  readonly name: string;
}

/** `null` where there is none, or only its zombie. */
export function processOf(pid: number): ProcessMark | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const end = stat.lastIndexOf(")");
    const fields = stat.slice(end + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    return {
      pid,
      startTicks: fields[19] ?? "",
      parent: Number(fields[1]),
      name: stat.slice(stat.indexOf("(") + 1, end),
    };
  } catch {
    return null; // ended
  }
}

export function allProcesses(): ProcessMark[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => processOf(Number(entry)) ?? []);
}

/** A process and all below it. */
export function processTree(root: number): ProcessMark[] {
  const all = allProcesses();
  const found = all.filter(({ pid }) => pid === root);
  for (const each of found) found.push(...all.filter(({ parent }) => parent === each.pid));
  return found;
}

export function stillThere(marks: readonly ProcessMark[]): ProcessMark[] {
  return marks.filter(({ pid, startTicks }) => processOf(pid)?.startTicks === startTicks);
}

export function childrenOf(pid: number, name?: string): ProcessMark[] {
  return allProcesses().filter((each) => each.parent === pid && (name === undefined || each.name === name));
}
