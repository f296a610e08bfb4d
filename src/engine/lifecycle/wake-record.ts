/** Every wake leaves a record of its phases: it is made here, counted, and reported as an event. */
import type { ErrorCode } from "../../protocol/error-codes.ts";
import type { WakeTier } from "../../protocol/states.ts";
import type { WakeRecord } from "../../protocol/wakes.ts";
import type { FunctionCore } from "./function-core.ts";
import type { Instance, WakeResult } from "./driver.ts";
import { WakeClock } from "./wake-clock.ts";
import type { WakeOrder } from "./wake.ts";

/** Begins a wake now. */
export function wakeOrder(core: FunctionCore, cause: string): WakeOrder {
  const now = core.around.monotonic();
  const handshakeAtMs = cause === "connection" ? core.idle.lastActivity(core.held.ports) : null;
  return { cause, clock: new WakeClock(() => core.around.monotonic(), now, handshakeAtMs) };
}

function baseOf(
  core: FunctionCore,
  order: WakeOrder,
  tier: WakeTier,
): Omit<WakeRecord, "instance" | "error"> {
  const { clock } = order;
  const ageMs = core.around.monotonic() - clock.seenAtMs;
  return {
    functionId: core.id,
    tier,
    cause: order.cause,
    seenAtMs: core.around.now() - ageMs,
    phases: clock.phases,
    restoreMs: null,
    ahead: false,
    totalMs: clock.totalMs,
    budgetMs: core.config.restoreBudgetMs,
    overBudget: false,
    criu: null,
  };
}

/** Counts the wake at once; the event follows when the waiting clients are being served, for it reads CRIU's figures. */
export function wakeSucceeded(
  core: FunctionCore,
  order: WakeOrder,
  woken: {
    readonly instance: Instance;
    readonly tier: WakeTier;
    /** `null` where nothing was restored. */
    readonly restored: WakeResult | null;
    /** It had been restored before. */
    readonly ahead?: boolean;
  },
): void {
  const { instance, tier, restored, ahead = false } = woken;
  const base = baseOf(core, order, tier);
  core.wakes += 1;
  core.around.pool.woken(core);
  core.wakeLatency.add(base.totalMs);
  const restoreMs = restored?.restoreMs ?? null;
  const overBudget = restoreMs !== null && restoreMs > core.config.restoreBudgetMs;
  setImmediate(() => {
    const criu = restored?.criu() ?? null;
    core.around.emit({
      type: "wake",
      ...base,
      instance: instance.id,
      restoreMs,
      ahead,
      overBudget,
      criu,
      error: null,
    });
  });
}

/** A wake that did not come about. */
export function recordFailure(core: FunctionCore, order: WakeOrder, error: ErrorCode): void {
  const tier: WakeTier = core.image === null ? "cold" : "snapshot";
  order.clock.ended(tier === "cold" ? "start" : "restore");
  const base = baseOf(core, order, tier);
  const late = error === "AE_LATENCY_VIOLATION";
  const restoreMs = late ? (base.phases.restore ?? 0) / 1000 : null;
  core.around.emit({ type: "wake-failed", ...base, instance: null, restoreMs, overBudget: late, error });
}
