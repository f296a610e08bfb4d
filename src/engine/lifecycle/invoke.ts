/** One event for a function: it is woken if need be, and handed the event before anything else can put it to sleep. */
import { AetherError } from "../../protocol/errors.ts";
import type { BodyEncoding } from "../../protocol/invocations.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { WakeTier } from "../../protocol/states.ts";
import type { InvocationAnswer } from "../ipc/ring-invoker.ts";
import type { FunctionCore } from "./function-core.ts";
import { watchIdle } from "./running.ts";
import { wake } from "./wake.ts";
import { wakeOrder } from "./wake-record.ts";

export interface Event {
  readonly body: Uint8Array;
  readonly encoding: BodyEncoding;
  readonly timeoutMs: number | null;
}

/** Where a server takes requests. */
export interface HttpEntrance {
  readonly http: number;
  /** An address, or "localhost": a server may listen on either family. */
  readonly host: string;
}

/** Where an event went. */
export interface Delivered {
  readonly tier: WakeTier | null;
  readonly wakeMs: number;
  /** `http`: it serves no events over a ring, and runs; the caller asks it on its port. */
  readonly answer: InvocationAnswer | HttpEntrance;
}

/** Limit on an event where nothing is declared. */
export const defaultTimeoutMs = 30_000;

/**
 * Wakes the function and gives it the event.
 * @throws AetherError of a wake, AE_INVOKE_TIMEOUT, AE_INVOKE_FAILED, AE_INVOKE_CRASHED, AE_INVOKE_UNSUPPORTED,
 * AE_PAYLOAD_TOO_LARGE
 */
export async function deliver(core: FunctionCore, event: Event): Promise<Delivered> {
  const startedAt = core.around.monotonic();
  const order = wakeOrder(core, "invoke");
  // In the queue, so that no sleep comes between wake and event. The result is waited for outside of it.
  const begun = await core.queue.run(async () => {
    const tier = tierOf(core);
    if (tier !== null) await wake(core, order);
    const wakeMs = tier === null ? 0 : core.around.monotonic() - startedAt;
    return { tier, wakeMs, pending: begin(core, event) };
  });
  const { tier, wakeMs } = begun;
  try {
    return { tier, wakeMs, answer: await begun.pending.result };
  } catch (error) {
    throw error instanceof AetherError ? afterWake(error, tier) : error;
  } finally {
    if (core.machine.state === "Running" && core.queue.isIdle)
      watchIdle(core, false, core.around.monotonic());
  }
}

/** A failure of the event itself, which says from which tier the function was woken for it. */
function afterWake(error: AetherError, tier: WakeTier | null): AetherError {
  return new AetherError(error.code, error.what, {
    ...(error.why === null ? {} : { why: error.why }),
    ...(error.hint === null ? {} : { hint: error.hint }),
    data: { ...error.data, tier, via: "ring" },
    cause: error,
  });
}

function tierOf(core: FunctionCore): WakeTier | null {
  const { state } = core.machine;
  switch (state) {
    case "Running":
      return null;
    case "Suspended":
      return "suspended";
    case "WarmSnapshot":
      return "snapshot";
    case "Uninitialized":
      return "cold";
    default:
      return assertNever(state);
  }
}

/** The result as a field: returned from the queue as it is, it would be waited for there. */
function begin(core: FunctionCore, event: Event): { readonly result: Promise<Delivered["answer"]> } {
  const { instance, config } = core;
  if (instance === null) {
    throw new AetherError("AE_INVOKE_CRASHED", `${core.id}: it ended before it could take the event`, {
      why: "its process ended right after its start",
      hint: `Its last lines: \`aether logs ${core.id}\`.`,
      data: { function: core.id },
    });
  }
  const limitMs = config.handler?.timeoutMs ?? defaultTimeoutMs;
  const timeoutMs = Math.min(event.timeoutMs ?? limitMs, limitMs);
  const result = instance.invoke(event.body, event.encoding, timeoutMs);
  if (result !== null) return { result };
  const host = core.network?.address ?? "localhost";
  if (config.triggerPort !== null) return { result: Promise.resolve({ http: config.triggerPort, host }) };
  throw new AetherError("AE_INVOKE_UNSUPPORTED", `${core.id}: it cannot be invoked`, {
    why: "it serves no events over a ring, and has no trigger port",
    hint: "Declare a `handler`, serve events with an SDK (`ring: true`), or give it a trigger_port.",
    data: { function: core.id },
  });
}
