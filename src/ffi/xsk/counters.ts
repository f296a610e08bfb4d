/** What an engine has done so far, in memory that its worker and its owner both see. */
import type { BatchOutcome } from "./packet-batch.ts";

export interface EngineCounters {
  readonly batches: number;
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
  /** Detached by the callback. */
  readonly kept: number;
  /** Were to be sent, and the tx ring stayed full. */
  readonly unsent: number;
}

const names = ["batches", "received", "sent", "dropped", "kept", "unsent"] as const;

export class SharedCounters {
  readonly memory: SharedArrayBuffer;
  readonly #values: Float64Array;

  constructor(memory = new SharedArrayBuffer(names.length * 8)) {
    this.memory = memory;
    this.#values = new Float64Array(memory);
  }

  /** Adds what came of a batch, and clears it for the next. */
  add(outcome: BatchOutcome): void {
    const values = this.#values;
    values[0] = (values[0] ?? 0) + 1;
    values[1] = (values[1] ?? 0) + outcome.received;
    values[2] = (values[2] ?? 0) + outcome.sent;
    values[3] = (values[3] ?? 0) + outcome.dropped;
    values[4] = (values[4] ?? 0) + outcome.kept;
    values[5] = (values[5] ?? 0) + outcome.unsent;
    outcome.received = 0;
    outcome.sent = 0;
    outcome.dropped = 0;
    outcome.kept = 0;
    outcome.unsent = 0;
  }

  read(): EngineCounters {
    const at = (index: number): number => this.#values[index] ?? 0;
    return { batches: at(0), received: at(1), sent: at(2), dropped: at(3), kept: at(4), unsent: at(5) };
  }
}
