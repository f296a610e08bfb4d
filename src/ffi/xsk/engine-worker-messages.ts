/** What an engine and its worker say to each other. Counters and the order to stop are in shared memory. */
import type { ErrorData } from "../../protocol/errors.ts";
import type { LoopOptions } from "./engine-loop.ts";
import type { SocketHandle } from "./raw-socket.ts";

export interface EngineWorkerOrder {
  /** URL of a module that exports `onBatch`. */
  readonly module: string;
  readonly handles: readonly SocketHandle[];
  readonly options: LoopOptions;
  readonly counters: SharedArrayBuffer;
  /** One word: 1 to stop. */
  readonly stop: SharedArrayBuffer;
}

export type EngineWorkerReport = { readonly type: "failed"; readonly error: ErrorData };
