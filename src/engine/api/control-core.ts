/** What the control socket needs of the engine. The engine implements it; tests use a fake (test/helpers/fake-core.ts). */
import type {
  ActionResponse,
  FunctionAction,
  LogLine,
  ReloadResponse,
  StreamMessage,
} from "../../protocol/control.ts";
import type { ConfigSource } from "../../protocol/config-change.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import type { InvocationRecord, InvokeOrder, InvokeResponse } from "../../protocol/invocations.ts";
import type { TapMessage, TapRequest } from "../../protocol/tap.ts";
import type { NumberedWake } from "../../protocol/wakes.ts";
import type { ConnectionCounts, EngineView } from "../../protocol/views.ts";

/** Changes as the engine publishes them; `hello` is the server's own. */
export type CoreChange = Exclude<StreamMessage, { readonly type: "hello" }>;

/** Every failure is an AetherError; the API maps its code to an HTTP status. */
export interface ControlCore {
  view(): EngineView;
  /** The last `tail` events, oldest first. */
  events(tail: number): readonly EngineEvent[];
  /** The connections of all functions, counted at this moment. */
  connections(): Promise<ConnectionCounts>;
  /** The last `tail` lines of a function, of all functions for `null`; oldest first. Throws AE_UNKNOWN_FUNCTION. */
  logs(functionId: string | null, tail: number): readonly LogLine[];
  /** The last `tail` wakes of a function, of all functions for `null`; oldest first. Throws AE_UNKNOWN_FUNCTION. */
  wakes(functionId: string | null, tail: number): readonly NumberedWake[];
  /** State (at most four times a second), events and lines as they come. Listeners never block and never throw. */
  onChange(listener: (change: CoreChange) => void): () => void;
  /**
   * Begins an invocation; the caller gives it up by `signal`. `result` rejects with what went wrong. Throws AE_UNKNOWN_FUNCTION.
   */
  invoke(
    functionId: string,
    order: InvokeOrder,
    signal: AbortSignal,
  ): { readonly id: string; readonly result: Promise<InvokeResponse> };
  /** The last `tail` invocations of a function, of all functions for `null`; oldest first. Throws AE_UNKNOWN_FUNCTION. */
  invocations(functionId: string | null, tail: number): readonly InvocationRecord[];
  /** The configuration file as it is on disk, secrets masked. */
  config(): ConfigSource;
  /**
   * Packets as they pass, until the signal comes; `send` is waited for.
   * Rejects with XdpSocketError where they cannot be captured, AE_OPERATION_IN_PROGRESS where too many look already.
   */
  tap(request: TapRequest, signal: AbortSignal, send: (message: TapMessage) => Promise<void>): Promise<void>;
  action(functionId: string, action: FunctionAction): Promise<ActionResponse>;
  /** Reads again the file it was started with. */
  reload(): Promise<ReloadResponse>;
  /** Validates another file, or the same one, and applies it. */
  deploy(file: string): Promise<ReloadResponse>;
  /** Resolves once the order is taken; the engine's end is seen by the closing of the socket. */
  shutdown(): Promise<void>;
}
