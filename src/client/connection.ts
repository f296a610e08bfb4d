/** What a console needs of an engine, wherever that engine lives. The console knows nothing else of it. */
import type { ActionResponse, FunctionAction, ReloadResponse, StreamMessage } from "../protocol/control.ts";
import type { InvokeOrder, InvokeResponse } from "../protocol/invocations.ts";
import type { HostFigures } from "./host-figures.ts";
import type { Figures } from "./figures.ts";
import type { LinkListener } from "./link.ts";
import type { ConfigSource } from "../protocol/config-change.ts";
import type { AetherError, ErrorData } from "../protocol/errors.ts";
import type { TapMessage, TapRequest } from "../protocol/tap.ts";

/** What a console takes in: the engine's stream, and what its own side reads of the engine's shared memory. */
export type ConsoleMessage =
  | StreamMessage
  | { readonly type: "figures"; readonly figures: Figures }
  /** A tap of the console's was opened for a port, or closed. */
  | { readonly type: "tap"; readonly target: TapRequest | null }
  | TapMessage
  | { readonly type: "tap-failed"; readonly error: ErrorData }
  /** While the system view is open. */
  | { readonly type: "host"; readonly host: HostFigures }
  /** While the view of the configuration is open. */
  | { readonly type: "config-source"; readonly source: ConfigSource };

export interface EngineConnection extends AsyncDisposable {
  readonly engineName: string;
  /** "in-process": the engine ends with this console; "attached": it lives elsewhere. */
  readonly mode: "in-process" | "attached";
  /**
   * Calls back with hello, state, events and logs as they arrive; returns the unsubscription.
   * A listener that joins late gets the newest state first; the stream carries the logs of all functions.
   */
  subscribe(listener: (message: StreamMessage) => void): () => void;
  /** Numbers from shared memory and nothing else: no logs, no events, no declarations, no orders. */
  readonly numbersOnly: boolean;
  /** Calls back when the engine falls silent, is lost, or is back; returns the unsubscription. */
  watchLink(listener: LinkListener): () => void;
  /** Resolves when the engine is gone: with the reason, or `null` where it ended in order. Never rejects. */
  readonly closed: Promise<AetherError | null>;
  /** Rejects with an AetherError. */
  action(functionId: string, action: FunctionAction): Promise<ActionResponse>;
  /** Gives a function an event or a request and waits for the answer, or gives it up by the signal. Rejects with an AetherError. */
  invoke(functionId: string, order: InvokeOrder, signal: AbortSignal): Promise<InvokeResponse>;
  /** Rejects with an AetherError; the problems of a refused file come as the event "reload-refused". */
  reload(): Promise<ReloadResponse>;
  /** The configuration file as it is now, secrets masked. Rejects with an AetherError. */
  config(): Promise<ConfigSource>;
  /** Calls back with packets until the signal comes; resolves then. Rejects with an AetherError. */
  tap(request: TapRequest, signal: AbortSignal, listener: (message: TapMessage) => void): Promise<void>;
  /** Asks the engine to end in order; resolves when it has taken the order. */
  shutdown(): Promise<void>;
}

/** A connection whose listeners may also hear of what its own side reads. */
export interface FigureConnection extends Omit<EngineConnection, "subscribe"> {
  subscribe(listener: (message: ConsoleMessage) => void): () => void;
}

/** As a console has it. */
export interface ConsoleConnection extends FigureConnection {
  /** Looks at the machine once a second, until it is disposed. */
  watchHost(snapshotDir: string, listener: (host: HostFigures) => void): Disposable;
}
