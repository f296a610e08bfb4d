/** The last events of the engine, numbered and dated. */
import type { EngineEvent, EventBody } from "../protocol/events.ts";

export interface EventLogOptions {
  /** Wall clock, milliseconds. */
  readonly now: () => number;
  /** How many events are kept. */
  readonly capacity?: number;
}

export class EventLog {
  readonly #now: () => number;
  readonly #capacity: number;
  /** A ring: event `seq` stands at `seq % capacity`. */
  readonly #ring: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #nextSeq = 0;

  constructor(options: EventLogOptions) {
    this.#now = options.now;
    this.#capacity = Math.max(1, options.capacity ?? 2000);
  }

  /** Numbers, dates and keeps an event, and tells the subscribers in the same step. */
  append(body: EventBody): EngineEvent {
    const event: EngineEvent = { ...body, seq: this.#nextSeq, atMs: this.#now() };
    this.#ring[this.#nextSeq % this.#capacity] = event;
    this.#nextSeq += 1;
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  /** The last `count` events that are still kept, oldest first. */
  tail(count: number): readonly EngineEvent[] {
    const kept = Math.min(Math.max(0, Math.trunc(count)), this.#ring.length);
    const events: EngineEvent[] = [];
    for (let seq = this.#nextSeq - kept; seq < this.#nextSeq; seq += 1) {
      const event = this.#ring[seq % this.#capacity];
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** A listener must not throw: it runs inside the step that it reports. */
  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
