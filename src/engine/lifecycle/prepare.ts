/** What is made ready between a sleep and the wake that follows it. */
import { AetherError } from "../../protocol/errors.ts";
import type { Image } from "../snapshot/image.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import type { FunctionCore } from "./function-core.ts";
import { judgeTrial } from "./judge-trial.ts";

/** Makes the sandboxes of the next wakes. A failure is reported, not fatal: the wake makes its own then. */
export async function prepareNext(core: FunctionCore): Promise<void> {
  if (core.image === null || core.closing) return;
  const count = core.config.warmPool ?? (core.around.pool.admit(core) ? 1 : 0);
  try {
    await core.driver.prepare(core.image, count);
    core.around.changed(core.id);
  } catch (error) {
    if (error instanceof AetherError) core.report(error);
    else throw error;
  }
}

/**
 * Restores an image three times, away from real clients, and says how long that takes.
 * @param before warm-up requests as they were answered before the snapshot
 * @throws AetherError AE_LATENCY_VIOLATION when the median exceeds an enforced budget, AE_RESTORE_FAILED, AE_PROOF_FAILED
 */
export async function prove(
  core: FunctionCore,
  image: Image,
  before: readonly AnsweredRequest[],
): Promise<Image> {
  const trialMs = await core.around.proofs.run(() => core.driver.prove(image, before));
  if (trialMs > core.config.restoreBudgetMs) core.violations += 1;
  return judgeTrial(core.config, image, trialMs, (text) => core.notice(text));
}
