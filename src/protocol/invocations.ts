/** Invocations as callers and consoles see them. */
import type { ErrorCode } from "./error-codes.ts";
import type { WakeTier } from "./states.ts";

/** How a body is to be read: JSON text in UTF-8, or bytes as they are. */
export type BodyEncoding = "json" | "raw";

/** What an invocation asks for. */
export interface InvokeOrder {
  /** The event of a handler, or the body of a request; empty: none. */
  readonly event: Uint8Array;
  readonly encoding: BodyEncoding;
  /** Limit on the handler; `null`: the function's own, else 30 s. */
  readonly timeoutMs: number | null;
  /** For a function without a handler: the request. `null`: POST with an event, GET without. */
  readonly method: string | null;
  readonly path: string;
  /** Further headers of that request, by name. */
  readonly headers: Readonly<Record<string, string>>;
}

export const invocationStatuses = ["running", "ok", "error", "lost"] as const;
/** `lost`: the engine ended while it was running. */
export type InvocationStatus = (typeof invocationStatuses)[number];

/** One invocation as it is kept. */
export interface InvocationRecord {
  readonly id: string;
  readonly functionId: string;
  readonly startedAtMs: number;
  /** From the order to the result; `null` while it runs. */
  readonly durationMs: number | null;
  /** From where the function was woken for it; `null`: it ran. */
  readonly tier: WakeTier | null;
  readonly via: "ring" | "http" | null;
  readonly status: InvocationStatus;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

/** A result with its timings. */
export interface InvokeResponse {
  readonly id: string;
  readonly functionId: string;
  readonly via: "ring" | "http";
  readonly tier: WakeTier | null;
  /** Until the function ran; 0 when it did. */
  readonly wakeMs: number;
  readonly durationMs: number;
  /** `text`: as it is; `base64`: bytes that are no UTF-8. A handler's JSON is text. */
  readonly encoding: "text" | "base64";
  readonly result: string;
  /** Of a request. */
  readonly http: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | null;
}

/** Answer to an invocation that nobody waits for. */
export interface InvokeAccepted {
  readonly id: string;
}
