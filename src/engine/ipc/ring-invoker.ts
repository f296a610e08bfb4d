/** Invocations over the ring of one instance: requests with their answers, time limits, and what a broken ring means. */
import { randomBytes } from "node:crypto";
import type { AetherError } from "../../protocol/errors.ts";
import type { BodyEncoding } from "../../protocol/invocations.ts";
import { handlerFailure, invokeTimeout } from "./invoke-errors.ts";
import { bodyEncodings } from "./messages.ts";
import type { RingMessage } from "./messages.ts";
import type { RingLink } from "./ring-link.ts";
import { lookUs, SpinPolicy } from "./spin-policy.ts";

/** How much longer than its own limit a handler may take to say that the limit ran out. */
const graceMs = 1_000;

export interface InvocationAnswer {
  readonly encoding: BodyEncoding;
  readonly body: Uint8Array;
}

interface Pending {
  readonly timer: NodeJS.Timeout;
  readonly timeoutMs: number;
  readonly resolve: (answer: InvocationAnswer) => void;
  readonly reject: (error: AetherError) => void;
}

const nothing = new Uint8Array(0);

/** What stands before an event: its time limit (0: none) and how it is to be read. */
function requestLead(timeoutMs: number, encoding: BodyEncoding): Uint8Array {
  const limit = Math.min(timeoutMs, 0xffffffff);
  const lead = new Uint8Array(5);
  for (let byte = 0; byte < 4; byte++) lead[byte] = limit >>> (8 * byte);
  lead[4] = bodyEncodings[encoding];
  return lead;
}

export class RingInvoker {
  readonly #link: RingLink;
  readonly #functionId: string;
  readonly #pending = new Map<bigint, Pending>();
  /** Ids begin anywhere, so that one instance's are not another's. */
  #nextId = randomBytes(6).readUIntBE(0, 6);
  readonly #spin = new SpinPolicy();

  /** The link's messages are to be given to `take`, its failure to `fail`. */
  constructor(functionId: string, link: RingLink) {
    this.#functionId = functionId;
    this.#link = link;
  }

  /** Invocations without an answer. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Sends an event and waits for the result.
   * @throws AetherError AE_INVOKE_TIMEOUT, AE_INVOKE_FAILED (the handler threw), AE_PAYLOAD_TOO_LARGE, AE_RING_FULL,
   * the failure of the ring
   */
  invoke(event: Uint8Array, encoding: BodyEncoding, timeoutMs: number): Promise<InvocationAnswer> {
    const requestId = BigInt(this.#nextId++);
    const lead = requestLead(timeoutMs, encoding);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#late(requestId, timeoutMs), timeoutMs + graceMs);
      this.#pending.set(requestId, { timer, timeoutMs, resolve, reject });
      try {
        this.#link.send({ type: "request", requestId, lead, body: event });
      } catch (error) {
        this.#pending.delete(requestId);
        clearTimeout(timer);
        throw error;
      }
      // With others under way this thread has better things to do.
      if (this.#pending.size === 1 && this.#spin.allowed) this.#look(requestId);
    });
  }

  #look(requestId: bigint): void {
    const startedAt = performance.now();
    const found = this.#link.spin(lookUs, () => !this.#pending.has(requestId));
    this.#spin.note(found, (performance.now() - startedAt) * 1_000);
  }

  /** A message of the handler. */
  take(message: RingMessage): void {
    const pending = this.#pending.get(message.requestId);
    // Its time ran out before, or it never was: nobody waits for it.
    if (pending === undefined) return;
    if (message.type !== "response" && message.type !== "failure") return;
    this.#pending.delete(message.requestId);
    clearTimeout(pending.timer);
    if (message.type === "failure")
      return pending.reject(handlerFailure(this.#functionId, message.body, pending.timeoutMs));
    const encoding = message.body[0] === bodyEncodings.raw ? "raw" : "json";
    pending.resolve({ encoding, body: message.body.subarray(1) });
  }

  #late(requestId: bigint, timeoutMs: number): void {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) return;
    this.#pending.delete(requestId);
    pending.reject(invokeTimeout(this.#functionId, timeoutMs));
    try {
      this.#link.send({ type: "cancel", requestId, lead: nothing, body: nothing });
    } catch {
      // A ring that is full or broken: the answer, should it come, finds nobody.
    }
  }

  /** Ends every invocation that is under way: the instance has ended, or its ring is unusable. */
  fail(error: AetherError): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const each of pending) {
      clearTimeout(each.timer);
      each.reject(error);
    }
  }
}
