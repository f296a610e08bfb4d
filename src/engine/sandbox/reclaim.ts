/**
 * Handing the memory of frozen processes back to the machine (`idle.reclaim`): process_madvise(MADV_PAGEOUT) on each of
 * their private mappings. It needs no memory controller; memory.reclaim would, in cgroup v2 alone. What comes back is read
 * page by page as the process touches it.
 */
import { openProcess } from "../../ffi/pidfd.ts";
import { pageOut, pageOutProblem } from "../../ffi/process-memory.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { ReclaimResult } from "../lifecycle/driver.ts";
import { anonymousBytes, pieces, privateRanges, readProcessFile } from "./memory-map.ts";

/** One call: some ten milliseconds for zram. A client that comes in between has not to wait for more than that. */
const pieceBytes = 8n * 1024n * 1024n;

const present = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + anonymousBytes(readProcessFile(pid, "status")), 0);

/**
 * Pages out what the processes have of their own. A process that ends meanwhile is passed over.
 * @throws AetherError AE_RECLAIM_FAILED where the machine does not allow it
 */
export async function reclaimMemory(
  functionId: string,
  pids: readonly number[],
  signal: AbortSignal,
): Promise<ReclaimResult> {
  const beforeBytes = present(pids);
  for (const pid of pids) {
    if (signal.aborted) break;
    using process = openProcess(pid);
    if (process === null) continue;
    const problem = pageOutProblem(process);
    if (problem !== null && readProcessFile(pid, "status") === "") continue;
    if (problem !== null) throw reclaimError(functionId, problem);
    for (const piece of pieces(privateRanges(readProcessFile(pid, "maps")), pieceBytes)) {
      if (signal.aborted) break;
      await pageOut(process, piece);
    }
  }
  const reclaimedBytes = Math.max(0, beforeBytes - present(pids));
  return { beforeBytes, reclaimedBytes, interrupted: signal.aborted };
}

function reclaimError(functionId: string, why: string): AetherError {
  return new AetherError("AE_RECLAIM_FAILED", `${functionId}: its memory cannot be handed back`, {
    why,
    hint: "It needs Linux 5.10, glibc 2.36 and the rights of root (CAP_SYS_NICE); leave idle.reclaim out otherwise.",
    data: { function: functionId },
  });
}
