/** Waking: from a connection on the held listener to the hand-over, from whichever tier the function sleeps in. */
import { toAetherError } from "../../protocol/errors.ts";
import type { AetherError } from "../../protocol/errors.ts";
import type { FunctionCore } from "./function-core.ts";
import type { Instance, WakeResult } from "./driver.ts";
import { markWoken } from "../snapshot/image.ts";
import { adopt, awaitConnection, holdListeners, watchIdle } from "./running.ts";
import type { WakeClock } from "./wake-clock.ts";
import { recordFailure, wakeSucceeded } from "./wake-record.ts";

export interface WakeOrder {
  readonly cause: string;
  /** Runs since the connection was seen, or the order came. */
  readonly clock: WakeClock;
}

/** Brings the function to Running from wherever it is; nothing to do when it runs already. */
export async function wake(core: FunctionCore, order: WakeOrder): Promise<void> {
  if (core.closing) return;
  const { state } = core.machine;
  switch (state) {
    case "Running":
      return;
    case "Suspended":
      return resumeSuspended(core, order);
    case "WarmSnapshot": {
      const failure = await core.around.restores.run(() => restore(core, order));
      // A cold start takes long, and is no restore: it does not hold a place among them.
      if (failure === null) return core.instance === null ? undefined : await settle(core, core.instance);
      return await restoreFailed(core, order, failure);
    }
    case "Uninitialized":
      return await coldStart(core, order);
    default:
      state satisfies never;
  }
}

/** Suspended -> Running. */
export function resumeSuspended(core: FunctionCore, order: WakeOrder): void {
  const instance = core.instance;
  if (instance === null) return;
  order.clock.ended("queue");
  core.held.stopWatching(); // Before it runs: it finds its sockets as it made them.
  instance.resume();
  order.clock.ended("thaw");
  // There may be many of them, and it works meanwhile.
  core.connections[Symbol.dispose]();
  core.machine.step("Running", {
    instance: instance.id,
    durationMs: order.clock.totalMs,
    cause: order.cause,
  });
  wakeSucceeded(core, order, { instance, tier: "suspended", restored: null });
  watchIdle(core, false, core.around.monotonic());
}

/** WarmSnapshot -> Running, up to the hand-over. Returns what went wrong. */
async function restore(core: FunctionCore, order: WakeOrder): Promise<AetherError | null> {
  const { image, config } = core;
  const { clock } = order;
  if (image === null || core.closing) return null;
  clock.ended("queue");
  core.machine.setActivity("restoring");
  // From here on its end is that of this attempt, or of the instance.
  const expected = core.ahead;
  core.ahead = null;
  let restored: WakeResult;
  try {
    core.held.expectSuccessor(0);
    const enforce = config.onViolation === "fail";
    restored = await core.driver.wake(image, { budgetMs: config.restoreBudgetMs, enforce });
  } catch (error) {
    clock.ended("restore");
    core.machine.setActivity(null);
    return toAetherError(error);
  }
  const { instance, restoreMs } = restored;
  clock.ended("sandbox", restored.sentAtMs);
  const ahead = restored.ahead !== null && restored.ahead === expected;
  clock.ended(ahead ? "resume" : "restore", restored.answeredAtMs);
  if (ahead) {
    core.held.stopWatching(); // They are its own.
  } else {
    // Its listeners first, then the held ones are closed. None: it has ended already, and the next wake serves who waits.
    const listeners = instance.takeListeners(core.held.places);
    clock.ended("listeners");
    if (listeners.length > 0) core.held.hold(listeners);
    clock.ended("handover");
  }
  restored.handedOver();
  adopt(core, instance);
  core.machine.setActivity(null);
  core.machine.step("Running", { instance: instance.id, durationMs: clock.totalMs, cause: order.cause });
  if (restoreMs > config.restoreBudgetMs) core.violations += 1;
  core.restoreLatency.add(restoreMs);
  wakeSucceeded(core, order, { instance, tier: "snapshot", restored, ahead });
  if (expected !== null && !ahead && !restored.touched)
    core.notice("what was restored ahead of this wake had been killed; it was restored anew");
  return null;
}

/** Uninitialized -> Running. */
export async function coldStart(core: FunctionCore, order: WakeOrder): Promise<void> {
  order.clock.ended("queue");
  const instance = await startInstance(core);
  order.clock.ended("start");
  if (core.instance !== instance) return; // Its end has been reported.
  core.machine.step("Running", {
    instance: instance.id,
    durationMs: order.clock.totalMs,
    cause: order.cause,
  });
  if (["connection", "syn", "wake"].includes(order.cause))
    wakeSucceeded(core, order, { instance, tier: "cold", restored: null });
  await settle(core, instance);
}

/** Starts an instance from nothing; the caller takes the step. Held connections are handed to it. */
export async function startInstance(core: FunctionCore): Promise<Instance> {
  core.machine.setActivity("starting");
  try {
    core.held.expectSuccessor(core.config.user?.uid ?? 0);
    const instance = await core.driver.start();
    core.coldStarts += 1;
    // Duplicates of the new listeners first, then the old ones are closed: the port is never without an owner.
    const relayed = core.held.relayed;
    try {
      holdListeners(core, instance);
    } catch (error) {
      await instance.kill();
      throw error;
    }
    adopt(core, instance);
    if (core.held.relayed > relayed) {
      core.notice(
        `${core.held.relayed - relayed} clients of its first start are relayed: it listens on another address family`,
      );
    }
    return instance;
  } finally {
    core.machine.setActivity(null);
  }
}

/**
 * What can wait until the waiting clients have been handed over. Part of the operation: what is queued behind it must
 * find the new listeners held.
 */
async function settle(core: FunctionCore, instance: Instance): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (core.instance !== instance) return;
  try {
    if (core.held.isEmpty) holdListeners(core, instance);
    if (core.image !== null && !core.image.manifest.golden) markWoken(core.image);
  } catch (error) {
    core.report(toAetherError(error, `${core.id}: it runs, and its listening sockets could not be taken`));
  }
  core.wakeBackoff.succeed();
  watchIdle(core, false, core.around.monotonic());
  core.around.changed(core.id);
}

/** A restore that did not succeed: by the function's declaration a cold start, or a refusal that clients notice. */
async function restoreFailed(core: FunctionCore, order: WakeOrder, error: AetherError): Promise<void> {
  if (error.code === "AE_LATENCY_VIOLATION") {
    core.violations += 1;
    throw error;
  }
  const changedGolden = core.image?.manifest.golden === true && error.data["reason"] === "FileChanged";
  if (error.code !== "AE_RESTORE_FAILED" || !(changedGolden || core.config.onRestoreFailure === "cold"))
    throw error;
  core.report(error);
  core.notice(
    changedGolden
      ? "its golden snapshot no longer fits; it is started cold and saved anew"
      : "started cold instead",
  );
  core.setImage(null);
  core.machine.step("Uninitialized", { instance: "", durationMs: 0, cause: "snapshot unusable" });
  await coldStart(core, order);
}

/** A wake that failed: clients are told by a reset, the port stays open, and repeated failures wait longer and longer. */
export function wakeFailed(core: FunctionCore, order: WakeOrder, error: AetherError): void {
  core.report(error);
  recordFailure(core, order, error.code);
  if (core.closing || core.instance !== null) return;
  const rejected = core.held.rejectQueued();
  if (rejected > 0) core.notice(`${rejected} waiting client${rejected === 1 ? " was" : "s were"} reset`);
  const violation = error.code === "AE_LATENCY_VIOLATION";
  const waitMs = violation ? 0 : core.wakeBackoff.fail();
  if (waitMs > 0) core.notice(`the next try waits ${waitMs} ms`);
  awaitConnection(core, waitMs);
  core.reactions.asleep();
}
