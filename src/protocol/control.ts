/**
 * The control socket: HTTP/1.1 over a unix socket (0600, root), JSON bodies, NDJSON streams.
 * A failed request answers 4xx or 5xx with `{error: ErrorData}`.
 */
import type { ErrorData } from "./errors.ts";
import type { EngineEvent } from "./events.ts";
import type { InvocationRecord, InvokeOrder } from "./invocations.ts";
import type { EngineView, FunctionView } from "./views.ts";

/** Bumped when a message changes its meaning; both sides refuse another number. */
export const controlVersion = 1;

/** Names the version in every request and answer; a request without it (curl) is taken as it is. */
export const controlVersionHeader = "x-aether-control";

/** One line of a function's output. Text is as the function wrote it: hostile until sanitized. */
export interface LogLine {
  readonly seq: number;
  readonly atMs: number;
  readonly functionId: string;
  readonly stream: "stdout" | "stderr" | "engine";
  readonly text: string;
}

/**
 * GET /v1/stream?logs=ID|*&events=N&tail=N&invocations=N&functions=0: the state first (with functions=0 that of the engine alone),
 * then the last N events and lines, then whatever changes.
 * With follow=1 /v1/events and .../logs send the same messages, of their kind only. Empty lines are heartbeats.
 */
export type StreamMessage =
  | { readonly type: "hello"; readonly version: number; readonly engine: string }
  | { readonly type: "state"; readonly state: EngineView }
  | { readonly type: "event"; readonly event: EngineEvent }
  | { readonly type: "logs"; readonly lines: readonly LogLine[] }
  /** Invocations that began or ended; only where the reader asked for them (`invocations=N`). */
  | { readonly type: "invocations"; readonly records: readonly InvocationRecord[] };

export const functionActions = ["snapshot", "restore", "suspend", "wake", "restart", "kill"] as const;
export type FunctionAction = (typeof functionActions)[number];

/** POST /v1/functions/ID/ACTION */
export interface ActionResponse {
  readonly function: FunctionView;
  readonly durationMs: number;
}

/** POST /v1/reload, POST /v1/deploy {file}: what changed. */
export interface ReloadResponse {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
}

export interface ErrorResponse {
  readonly error: ErrorData;
}

/**
 * Paths: GET /v1/state (EngineView), GET /v1/stream, GET /v1/events?tail=N&follow=1 (EngineEvent[]),
 * GET /v1/wakes?function=ID&tail=N (NumberedWake[]),
 * GET /v1/connections (ConnectionCounts),
 * GET /v1/config (ConfigSource),
 * GET /v1/tap?port=N&interface=NAME (a stream of TapMessage),
 * GET /v1/functions/ID/logs?tail=N&follow=1 (LogLine[]),
 * GET /v1/invocations?function=ID&tail=N (InvocationRecord[]), POST /v1/functions/ID/invoke (body: the event, as
 * application/json or as bytes; InvokeResponse, or InvokeAccepted with wait=0),
 * POST /v1/functions/ID/ACTION, POST /v1/reload, POST /v1/deploy, POST /v1/shutdown.
 */
export const controlPaths = {
  state: "/v1/state",
  wakes: "/v1/wakes",
  stream: "/v1/stream",
  events: "/v1/events",
  connections: "/v1/connections",
  tap: "/v1/tap",
  config: "/v1/config",
  logs: (id: string): string => `/v1/functions/${encodeURIComponent(id)}/logs`,
  action: (id: string, action: FunctionAction): string => `/v1/functions/${encodeURIComponent(id)}/${action}`,
  invocations: "/v1/invocations",
  invoke: (id: string, order: Omit<InvokeOrder, "event" | "encoding">, wait: boolean): string => {
    const query = new URLSearchParams({ path: order.path, wait: wait ? "1" : "0" });
    if (order.timeoutMs !== null) query.set("timeout", String(order.timeoutMs));
    if (order.method !== null) query.set("method", order.method);
    for (const [name, value] of Object.entries(order.headers)) query.append("header", `${name}: ${value}`);
    return `/v1/functions/${encodeURIComponent(id)}/invoke?${query.toString()}`;
  },
  reload: "/v1/reload",
  deploy: "/v1/deploy",
  shutdown: "/v1/shutdown",
} as const;
