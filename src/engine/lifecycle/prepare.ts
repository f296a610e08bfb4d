/** What is made ready between a sleep and the wake that follows it. */
import { AetherError } from "../../protocol/errors.ts";
import type { Image } from "../snapshot/image.ts";
import type { FunctionCore } from "./function-core.ts";

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
 * @throws AetherError AE_LATENCY_VIOLATION when the median exceeds an enforced budget, AE_RESTORE_FAILED
 */
export async function prove(core: FunctionCore, image: Image): Promise<Image> {
  const trialMs = await core.around.proofs.run(() => core.driver.prove(image));
  const { restoreBudgetMs, onViolation, sleep } = core.config;
  if (trialMs > restoreBudgetMs) {
    core.violations += 1;
    const measured = Math.round(trialMs * 100) / 100;
    if (onViolation === "fail") {
      throw new AetherError(
        "AE_LATENCY_VIOLATION",
        `${core.id}: its snapshot does not restore within the budget`,
        {
          why: `the median of three trial restores is ${measured} ms, and the limit is ${restoreBudgetMs} ms`,
          hint: "Raise restore_budget_ms, or set `on_violation: serve` to serve late and count the violation.",
          data: { function: core.id, actualMs: measured, limitMs: restoreBudgetMs },
        },
      );
    }
    core.notice(
      `its trial restores took ${measured} ms; the budget is ${restoreBudgetMs} ms (on_violation: serve)`,
    );
  }
  return { directory: image.directory, manifest: { ...image.manifest, trialMs, golden: sleep === "golden" } };
}
