/** One restore by a prepared worker: bound to a processor, measured, and its failure told apart. */
import type { AetherError } from "../../protocol/errors.ts";
import { criuError } from "../snapshot/criu-failure.ts";
import type { SandboxContext } from "./context.ts";
import { restoreLogName } from "./prepared-restore.ts";
import type { PreparedRestore } from "./prepared-restore.ts";
import { RestoreCpu } from "./restore-cpu.ts";

/** A restore without an enforced budget must end all the same. */
export const restoreDeadlineMs = 30_000;

/** What came of it. Times are of the monotonic clock, ms. */
export interface TimedRestore {
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** Process id inside the sandbox of the restored root process; 0 after a failure. */
  readonly rootPid: number;
  readonly failure: AetherError | null;
  /** What the restored processes are bound to until they are released. */
  readonly cpu: RestoreCpu | null;
}

/** Sends the restore and waits for the answer. Never rejects. */
export async function timedRestore(
  context: SandboxContext,
  prepared: PreparedRestore,
  around: { readonly functionId: string; readonly workDirectory: string },
): Promise<TimedRestore> {
  const { workerPid, affinity, isBegun } = prepared;
  using cpu =
    isBegun || workerPid === null || affinity === null ? null : RestoreCpu.bind(workerPid, affinity);
  const sentAtMs = context.monotonic();
  const ended = (rootPid: number, message: string | null): TimedRestore => {
    const answeredAtMs = context.monotonic();
    const late =
      answeredAtMs - sentAtMs >= restoreDeadlineMs
        ? `CRIU did not finish within ${restoreDeadlineMs} ms`
        : message;
    const logFile = `${around.workDirectory}/${restoreLogName}`;
    const failure =
      rootPid > 0 ? null : criuError("AE_RESTORE_FAILED", around.functionId, { logFile, message: late });
    return { sentAtMs, answeredAtMs, rootPid, failure, cpu };
  };
  const timer = setTimeout(() => prepared.sandbox.kill(), restoreDeadlineMs);
  try {
    const { success, pid, message } = await prepared.restore();
    return ended(success ? (pid ?? 0) : 0, message);
  } catch (error) {
    return ended(0, error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}
