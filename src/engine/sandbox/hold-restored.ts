/**
 * The restore that is done before anybody connects, up to the first instruction of the processes: CRIU reports its last step and
 * waits. What is left for the wake is that it lets them go. No instruction of the function runs meanwhile.
 */
import { criuError } from "../snapshot/criu-failure.ts";
import type { TakenListener } from "../lifecycle/driver.ts";
import { takePlacedEntrances } from "./listeners.ts";
import type { FunctionPort } from "./listeners.ts";
import { restoreLogName } from "./prepared-restore.ts";
import type { PreparedRestore } from "./prepared-restore.ts";
import { descendants } from "./process-tree.ts";
import { RestoreCpu } from "./restore-cpu.ts";
import { restoreDeadlineMs } from "./timed-restore.ts";

export interface HoldOptions {
  readonly functionId: string;
  readonly workDirectory: string;
  readonly where: FunctionPort;
}

/**
 * Restores and holds.
 * @returns duplicates of the listening sockets of the held processes; the caller's to close
 * @throws AetherError AE_RESTORE_FAILED; also when the sandbox was ended meanwhile
 */
export async function holdRestored(prepared: PreparedRestore, around: HoldOptions): Promise<TakenListener[]> {
  const { workerPid, affinity, sandbox } = prepared;
  const timer = setTimeout(() => sandbox.kill(), restoreDeadlineMs);
  try {
    using cpu = workerPid === null || affinity === null ? null : RestoreCpu.bind(workerPid, affinity);
    await prepared.hold();
    const all = descendants(sandbox.initPid);
    cpu?.release(all);
    return takePlacedEntrances(
      all.filter((pid) => pid !== workerPid),
      around.where,
    );
  } catch (error) {
    throw criuError("AE_RESTORE_FAILED", around.functionId, {
      logFile: `${around.workDirectory}/${restoreLogName}`,
      message: error instanceof Error ? error.message : String(error),
    });
  } finally {
    clearTimeout(timer);
  }
}
