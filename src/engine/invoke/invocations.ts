/** Invocations from order to result: recorded at their beginning and their end, over the ring or by a request. */
import { randomUUID } from "node:crypto";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { InvocationRecord, InvokeOrder, InvokeResponse } from "../../protocol/invocations.ts";
import { wakeTiers } from "../../protocol/states.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import { defaultTimeoutMs } from "../lifecycle/invoke.ts";
import { invokeAborted } from "../ipc/invoke-errors.ts";
import { callHttp } from "./http-call.ts";
import type { InvocationEnd, InvocationStore } from "./invocation-store.ts";

/** Invocations under way at once; more are refused. */
const maxRunning = 1_024;

export interface InvocationsParts {
  readonly store: InvocationStore;
  /** Wakes the function and hands it the event (lifecycle/invoke.ts). */
  readonly deliver: (functionId: string, event: Event) => Promise<Delivered>;
  readonly now: () => number;
  readonly monotonic: () => number;
  /** Hears of an invocation when it begins and when it ends. */
  readonly onRecord: (record: InvocationRecord) => void;
}

type Begun = Pick<InvocationRecord, "id" | "functionId" | "startedAtMs">;

export class Invocations {
  readonly #parts: InvocationsParts;
  readonly #running = new Set<Promise<unknown>>();

  constructor(parts: InvocationsParts) {
    this.#parts = parts;
  }

  /**
   * Begins an invocation, until it has a result or the caller gives it up: a request ends then, an event that a handler has
   * goes on without anybody waiting. `result` rejects with AetherError; it has been recorded then.
   * @throws AetherError AE_OPERATION_IN_PROGRESS when too many are under way
   */
  begin(
    functionId: string,
    order: InvokeOrder,
    signal: AbortSignal,
  ): { readonly id: string; readonly result: Promise<InvokeResponse> } {
    if (this.#running.size >= maxRunning) {
      throw new AetherError("AE_OPERATION_IN_PROGRESS", `${functionId}: the invocation is refused`, {
        why: `${maxRunning} are under way already`,
        hint: "Try again when some have ended.",
        data: { function: functionId },
      });
    }
    const id = randomUUID();
    const startedAtMs = this.#parts.now();
    this.#parts.store.begin(id, functionId, startedAtMs);
    const begun = { id, functionId, startedAtMs };
    const running = { durationMs: null, tier: null, via: null, status: "running", error: null } as const;
    this.#parts.onRecord({ ...begun, ...running });
    const result = this.#run(begun, order, signal).finally(() => this.#running.delete(result));
    this.#running.add(result);
    // Nobody may be waiting for it: its failure is in the record.
    result.catch(() => undefined);
    return { id, result };
  }

  async #run(begun: Begun, order: InvokeOrder, signal: AbortSignal): Promise<InvokeResponse> {
    const { monotonic } = this.#parts;
    const { id, functionId } = begun;
    const startedAt = monotonic();
    let delivered: Delivered | null = null;
    const via = (): InvocationRecord["via"] =>
      delivered === null ? null : "http" in delivered.answer ? "http" : "ring";
    const tier = (): InvocationRecord["tier"] => delivered?.tier ?? null;
    try {
      const { event, encoding, timeoutMs } = order;
      const delivery = this.#parts.deliver(functionId, { body: event, encoding, timeoutMs });
      delivered = await whileWanted(functionId, delivery, signal);
      const { answer, wakeMs } = delivered;
      const call =
        "http" in answer
          ? await callHttp(functionId, answer, order, timeoutMs ?? defaultTimeoutMs, signal)
          : null;
      const body = Buffer.from(call?.body ?? ("body" in answer ? answer.body : new Uint8Array(0)));
      const durationMs = monotonic() - startedAt;
      this.#end(begun, { durationMs, tier: tier(), via: via(), status: "ok", error: null });
      const http = call === null ? null : { status: call.status, headers: call.headers };
      return {
        id,
        functionId,
        via: call === null ? "ring" : "http",
        tier: tier(),
        wakeMs,
        durationMs,
        ...asText(body),
        http,
      };
    } catch (error) {
      const failure = toAetherError(error, `${functionId}: the invocation failed`);
      const { code, message } = failure;
      const durationMs = monotonic() - startedAt;
      const woken = delivered === null ? wokenBefore(failure) : { tier: tier(), via: via() };
      this.#end(begun, { durationMs, ...woken, status: "error", error: { code, message } });
      throw failure;
    }
  }

  #end(begun: Begun, end: InvocationEnd): void {
    this.#parts.store.end(begun.id, end);
    this.#parts.onRecord({ ...begun, ...end });
  }

  /** Resolves when none is under way any more, or at the deadline. */
  async settled(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([Promise.allSettled([...this.#running]), late]);
    clearTimeout(timer);
  }
}

/** What a failure of the event itself says of the wake before it (lifecycle/invoke.ts); nothing, when the wake failed. */
function wokenBefore(failure: AetherError): Pick<InvocationRecord, "tier" | "via"> {
  const { tier, via } = failure.data;
  return { tier: wakeTiers.find((each) => each === tier) ?? null, via: via === "ring" ? "ring" : null };
}

/** @throws AetherError AE_INVOKE_ABORTED once nobody waits for it any more; the work itself goes on */
async function whileWanted<T>(functionId: string, work: Promise<T>, signal: AbortSignal): Promise<T> {
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => given.reject(invokeAborted(functionId));
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([work, given.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function asText(body: Buffer): Pick<InvokeResponse, "encoding" | "result"> {
  try {
    return { encoding: "text", result: utf8.decode(body) };
  } catch {
    return { encoding: "base64", result: body.toString("base64") };
  }
}
