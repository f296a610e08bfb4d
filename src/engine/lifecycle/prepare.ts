/** What is made ready between a sleep and the wake that follows it. */
import type { RestoreAhead } from "../../protocol/config.ts";
import { AetherError, assertNever, toAetherError } from "../../protocol/errors.ts";
import type { Image } from "../snapshot/image.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import type { FunctionCore } from "./function-core.ts";
import { judgeTrial } from "./judge-trial.ts";
import type { RestoredAhead } from "./driver.ts";
import { awaitConnection } from "./running.ts";

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
  if (core.image === null || core.driver.preparedCount === 0) return;
  if (isRestoredAhead(core.config.restoreAhead, core.image)) aheadSoon(core);
}

function isRestoredAhead(restoreAhead: RestoreAhead, { manifest }: Image): boolean {
  switch (restoreAhead) {
    case "always":
      return true;
    case "auto":
      return manifest.image === "mapped";
    case "never":
      return false;
    default:
      return assertNever(restoreAhead);
  }
}

/** One function after another: those on which clients wait need the processors. */
function aheadSoon(core: FunctionCore): void {
  core.around.ahead
    .run(() => restoreAhead(core))
    .catch((error: unknown) => core.report(toAetherError(error)));
}

/**
 * The restore of the next wake, while nobody waits for it; clients are held by its own sockets from then on. Beside the queue:
 * a wake that comes in the middle goes on with it, and its budget holds.
 */
async function restoreAhead(core: FunctionCore): Promise<void> {
  const asleep = (): boolean =>
    core.machine.state === "WarmSnapshot" && core.machine.activity === null && core.instance === null;
  if (core.image === null || core.closing || !asleep()) return;
  core.held.expectSuccessor(0);
  const ahead = await core.driver.restoreAhead(core.image);
  if (ahead === null) return;
  if (core.closing || !asleep() || !core.driver.isRestoredAhead) {
    for (const { fd } of ahead.listeners) fd.close();
    return;
  }
  core.ahead = ahead;
  if (ahead.listeners.length > 0) core.held.hold(ahead.listeners);
  awaitConnection(core, 0);
  core.around.changed(core.id);
  void ahead.ended.then(() => lostAhead(core, ahead));
}

/** Its processes ended while they were held, and nobody here did it. Its port is held as before. */
function lostAhead(core: FunctionCore, ahead: RestoredAhead): void {
  if (core.ahead !== ahead || core.closing) return;
  core.ahead = null;
  core.notice("what was restored ahead of its next wake has been killed; another is made");
  core.reactions.asleep();
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
