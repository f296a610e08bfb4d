/** The processes of a sandbox as the host numbers them: everything below its init (proc(5), task/TID/children). */
import { readdirSync, readFileSync } from "node:fs";

function childrenOf(pid: number): number[] {
  const found: number[] = [];
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8");
      for (const child of text.split(" ")) if (child !== "") found.push(Number(child));
    }
  } catch {
    return found; // It ended meanwhile.
  }
  return found;
}

/** All descendants of a process, parents before children. A zombie counts until it is reaped. */
export function descendants(pid: number): number[] {
  const found = childrenOf(pid);
  for (let index = 0; index < found.length; index++) {
    const next = found[index];
    if (next !== undefined) found.push(...childrenOf(next));
  }
  return found;
}

/** Process id inside the innermost process namespace; `null` when the process is gone. */
export function innerPid(pid: number): number | null {
  try {
    const line = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const last = line?.split(/\s+/).at(-1);
    return last === undefined ? null : Number(last);
  } catch {
    return null;
  }
}

/** Host process id of the child of `initPid` that is `inner` inside; `null` when there is none. */
export function hostPidOf(initPid: number, inner: number): number | null {
  return childrenOf(initPid).find((pid) => innerPid(pid) === inner) ?? null;
}

/** The only child of a single-threaded process besides one that is known; `null` when there are several, or none. */
export function onlyChild(pid: number, besides: number | null): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    const others = text.split(" ").filter((child) => child !== "" && Number(child) !== besides);
    return others.length === 1 ? Number(others[0]) : null;
  } catch {
    return null; // It ended meanwhile.
  }
}
