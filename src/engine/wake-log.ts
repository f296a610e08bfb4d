/** The records of the last wakes, in a ring that other events cannot push them out of. */
import type { EngineEvent } from "../protocol/events.ts";
import type { NumberedWake } from "../protocol/wakes.ts";

const capacity = 2_000;

export class WakeLog {
  readonly #ring: NumberedWake[] = [];
  #next = 0;

  /** Takes the records out of the engine's events. */
  add(event: EngineEvent): void {
    if (event.type !== "wake" && event.type !== "wake-failed") return;
    const { type: _type, ...record } = event;
    this.#ring[this.#next] = record;
    this.#next = (this.#next + 1) % capacity;
  }

  /** The last `count` records of a function, of all for `null`; oldest first. */
  tail(functionId: string | null, count: number): readonly NumberedWake[] {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    const own = functionId === null ? ordered : ordered.filter((record) => record.functionId === functionId);
    return count <= 0 ? [] : own.slice(-count);
  }
}
