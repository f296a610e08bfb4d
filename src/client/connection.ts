/** What a console needs of an engine, wherever that engine lives. The console knows nothing else of it. */
import type { ActionResponse, FunctionAction, ReloadResponse, StreamMessage } from "../protocol/control.ts";
import type { InvokeOrder, InvokeResponse } from "../protocol/invocations.ts";
import type { AetherError } from "../protocol/errors.ts";

export interface EngineConnection extends AsyncDisposable {
  readonly engineName: string;
  /** "in-process": the engine ends with this console; "attached": it lives elsewhere. */
  readonly mode: "in-process" | "attached";
  /**
   * Calls back with hello, state, events and logs as they arrive; returns the unsubscription.
   * A listener that joins late gets the newest state first; the stream carries the logs of all functions.
   */
  subscribe(listener: (message: StreamMessage) => void): () => void;
  /** Resolves when the engine is gone: with the reason, or `null` where it ended in order. Never rejects. */
  readonly closed: Promise<AetherError | null>;
  /** Rejects with an AetherError. */
  action(functionId: string, action: FunctionAction): Promise<ActionResponse>;
  /** Gives a function an event or a request and waits for the answer, or gives it up by the signal. Rejects with an AetherError. */
  invoke(functionId: string, order: InvokeOrder, signal: AbortSignal): Promise<InvokeResponse>;
  /** Rejects with an AetherError; the problems of a refused file come as the event "reload-refused". */
  reload(): Promise<ReloadResponse>;
  /** Asks the engine to end in order; resolves when it has taken the order. */
  shutdown(): Promise<void>;
}
