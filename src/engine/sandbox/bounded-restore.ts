/** A restore on which a client waits: within its budget, and only of programs that are still the same. */
import type { AetherError } from "../../protocol/errors.ts";
import type { WakeOptions } from "../lifecycle/driver.ts";
import { firstTouched } from "../snapshot/file-stamps.ts";
import { violation } from "./driver-errors.ts";
import type { PreparedRestore } from "./prepared-restore.ts";
import type { TimedRestore } from "./timed-restore.ts";

export interface BoundedRestore {
  readonly prepared: PreparedRestore;
  readonly restored: TimedRestore;
}

/** Whether a program differs from that of the dump by its stamp, and CRIU was told not to look. */
export function isTouched({ validate, image }: PreparedRestore): boolean {
  return validate === "size" && firstTouched(image.manifest.programs) !== null;
}

/**
 * Restores, and gives up what does not come about in time.
 * @param run sends the restore at once
 * @returns why another has to be made, nothing being left of the attempt: "touched", a program was touched since the dump, and
 * nobody has compared it; "lost", the processes were restored ahead, and somebody else has ended them since
 * @throws AetherError AE_RESTORE_FAILED, AE_LATENCY_VIOLATION; nothing is left of the attempt then
 */
export async function boundedRestore(
  functionId: string,
  prepared: PreparedRestore,
  options: WakeOptions,
  run: (prepared: PreparedRestore) => Promise<TimedRestore>,
): Promise<BoundedRestore | "touched" | "lost"> {
  // One that is done already would answer the client before anybody has looked.
  if (prepared.isBegun && isTouched(prepared)) {
    prepared[Symbol.dispose]();
    await prepared.sandbox.gone;
    return "touched";
  }
  let late = false;
  const { isBegun } = prepared;
  const wasHeld = prepared.heldPid !== null;
  const running = run(prepared);
  // Node counts whole milliseconds and may be up to one early: a restore is not ended before its budget is over.
  const timer = options.enforce
    ? setTimeout(
        () => {
          late = true;
          prepared.sandbox.kill();
        },
        Math.ceil(options.budgetMs) + 1,
      )
    : null;
  // CRIU has its request: looking at the files now costs the client nothing.
  const touched = !isBegun && isTouched(prepared);
  if (touched) prepared.sandbox.kill();
  const restored = await running;
  if (timer !== null) clearTimeout(timer);
  const restoreMs = restored.answeredAtMs - restored.sentAtMs;
  let failure: AetherError | null = restored.failure;
  const exceeded = late || (options.enforce && restoreMs > options.budgetMs);
  if (exceeded) failure = violation(functionId, restoreMs, options.budgetMs);
  if (failure === null && !touched) return { prepared, restored };
  // Nothing half-restored may be there when the failure is told.
  prepared[Symbol.dispose]();
  await prepared.sandbox.gone;
  if (failure === null || touched) return "touched";
  // A client that comes in the moment between their end and the news of it need not pay for it.
  if (wasHeld && !exceeded) return "lost";
  throw failure;
}
