/** Whether the trial restores of an image keep to the function's budget, and the image as it is after them. */
import type { FunctionConfig } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { Image } from "../snapshot/image.ts";

/** @throws AetherError AE_LATENCY_VIOLATION when the median exceeds an enforced budget */
export function judgeTrial(
  config: FunctionConfig,
  image: Image,
  trialMs: number,
  notice: (text: string) => void,
): Image {
  const { id, restoreBudgetMs, onViolation, sleep } = config;
  if (trialMs > restoreBudgetMs) {
    const measured = Math.round(trialMs * 100) / 100;
    if (onViolation === "fail") {
      throw new AetherError(
        "AE_LATENCY_VIOLATION",
        `${id}: its snapshot does not restore within the budget`,
        {
          why: `the median of three trial restores is ${measured} ms, and the limit is ${restoreBudgetMs} ms`,
          hint: "Raise restore_budget_ms, or set `on_violation: serve` to serve late and count the violation.",
          data: { function: id, actualMs: measured, limitMs: restoreBudgetMs },
        },
      );
    }
    notice(
      `its trial restores took ${measured} ms; the budget is ${restoreBudgetMs} ms (on_violation: serve)`,
    );
  }
  return { directory: image.directory, manifest: { ...image.manifest, trialMs, golden: sleep === "golden" } };
}
