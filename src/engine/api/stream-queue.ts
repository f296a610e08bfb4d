/**
 * What waits for one reader of a stream, bounded: a stalled console costs a few megabytes and never slows the engine.
 * States are coalesced to the newest; of events and lines the oldest are dropped, and the reader is told how many.
 */
import type { LogLine, StreamMessage } from "../../protocol/control.ts";
import type { InvocationRecord } from "../../protocol/invocations.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { CoreChange } from "./control-core.ts";

export interface StreamFilter {
  /** "engine": without its functions; `null`: none. */
  readonly state: "all" | "engine" | null;
  readonly events: boolean;
  /** A function's id, "*" for all, `null` for none. */
  readonly logs: string | null;
  readonly invocations: boolean;
}

export interface StreamQueueOptions {
  readonly filter: StreamFilter;
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  /** Least time between two states. */
  readonly stateIntervalMs?: number;
}

type Entry =
  | { readonly kind: "event"; readonly event: EngineEvent }
  | { readonly kind: "line"; readonly line: LogLine };
type State = Extract<StreamMessage, { readonly type: "state" }>;

/** Lines are gathered into messages of about this size, so that a batch of the engine's is no unbounded message. */
const logMessageBytes = 64 * 1024;

/** Invocations that wait for a reader. */
const maxInvocations = 1_000;

export class StreamQueue {
  readonly #filter: StreamFilter;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #stateIntervalMs: number;
  #entries: Entry[] = [];
  #head = 0;
  #bytes = 0;
  readonly #invocations = new Map<string, InvocationRecord>();
  #state: State | null = null;
  #stateSentAtMs = -Infinity;
  #dropped = { events: 0, lines: 0 };
  #lastDroppedEvent: EngineEvent | null = null;
  #lastDroppedLine: LogLine | null = null;
  #lastEventSeq = -1;
  #lastLineSeq = -1;

  constructor(options: StreamQueueOptions) {
    this.#filter = options.filter;
    this.#maxEntries = options.maxEntries ?? 4000;
    this.#maxBytes = options.maxBytes ?? 4 * 1024 * 1024;
    this.#stateIntervalMs = options.stateIntervalMs ?? 250;
  }

  /** Entries and bytes that wait, for tests and metrics. */
  get pending(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#entries.length - this.#head, bytes: this.#bytes };
  }

  push(change: CoreChange): void {
    switch (change.type) {
      case "state":
        if (this.#filter.state === "all") this.#state = change;
        if (this.#filter.state === "engine")
          this.#state = { type: "state", state: { ...change.state, functions: [] } };
        return;
      case "event":
        if (this.#filter.events) this.#addEvent(change.event);
        return;
      case "logs":
        for (const line of change.lines) this.#addLine(line);
        return;
      case "invocations":
        if (this.#filter.invocations) this.#addInvocations(change.records);
        return;
      default:
        assertNever(change);
    }
  }

  /** Of each the newest record; the oldest go, without notice: they are on disk. */
  #addInvocations(records: readonly InvocationRecord[]): void {
    for (const record of records) {
      this.#invocations.delete(record.id);
      this.#invocations.set(record.id, record);
    }
    for (const id of this.#invocations.keys()) {
      if (this.#invocations.size <= maxInvocations) break;
      this.#invocations.delete(id);
    }
  }

  #takeInvocations(): StreamMessage | null {
    if (this.#invocations.size === 0) return null;
    const records = Array.from(this.#invocations.values());
    this.#invocations.clear();
    return { type: "invocations", records };
  }

  /** The next message, or `null` where none is due at `nowMs`. */
  take(nowMs: number): StreamMessage | null {
    if (this.#state !== null && nowMs >= this.#stateSentAtMs + this.#stateIntervalMs) {
      const state = this.#state;
      this.#state = null;
      this.#stateSentAtMs = nowMs;
      return state;
    }
    return this.#takeNotice() ?? this.#takeEntry() ?? this.#takeInvocations();
  }

  /** When a state that waits for its time may go; `null` where none waits. */
  stateDueAtMs(): number | null {
    return this.#state === null ? null : this.#stateSentAtMs + this.#stateIntervalMs;
  }

  /** A record that came with the history may come again with a batch that was under way: once is enough. */
  #addEvent(event: EngineEvent): void {
    if (event.seq <= this.#lastEventSeq) return;
    this.#lastEventSeq = event.seq;
    this.#add({ kind: "event", event });
  }

  #addLine(line: LogLine): void {
    if (line.seq <= this.#lastLineSeq || (this.#filter.logs !== "*" && this.#filter.logs !== line.functionId))
      return;
    this.#lastLineSeq = line.seq;
    this.#add({ kind: "line", line });
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += cost(entry);
    while (
      this.pending.entries > this.#maxEntries ||
      (this.#bytes > this.#maxBytes && this.pending.entries > 1)
    ) {
      const oldest = this.#shift();
      if (oldest === undefined) return;
      if (oldest.kind === "event") {
        this.#dropped.events += 1;
        this.#lastDroppedEvent = oldest.event;
      } else {
        this.#dropped.lines += 1;
        this.#lastDroppedLine = oldest.line;
      }
    }
  }

  /** Stands in the place of the last record that was dropped, with its number and time: numbers stay unique and rising. */
  #takeNotice(): StreamMessage | null {
    const { events, lines } = this.#dropped;
    if (this.#lastDroppedEvent !== null) {
      const { seq, atMs } = this.#lastDroppedEvent;
      this.#lastDroppedEvent = null;
      this.#dropped.events = 0;
      const text = `${events} events left out: this reader is too slow`;
      return { type: "event", event: { type: "notice", functionId: null, text, seq, atMs } };
    }
    if (this.#lastDroppedLine !== null) {
      const place = this.#lastDroppedLine;
      this.#lastDroppedLine = null;
      this.#dropped.lines = 0;
      const text = `${lines} lines left out: this reader is too slow`;
      return { type: "logs", lines: [{ ...place, stream: "engine", text }] };
    }
    return null;
  }

  #takeEntry(): StreamMessage | null {
    const first = this.#shift();
    if (first === undefined) return null;
    if (first.kind === "event") return { type: "event", event: first.event };
    const lines = [first.line];
    let bytes = cost(first);
    for (
      let next = this.#entries[this.#head];
      next?.kind === "line" && bytes < logMessageBytes;
      next = this.#entries[this.#head]
    ) {
      this.#shift();
      lines.push(next.line);
      bytes += cost(next);
    }
    return { type: "logs", lines };
  }

  #shift(): Entry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head += 1;
    this.#bytes -= cost(entry);
    if (this.#head === this.#entries.length || this.#head > 1024) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}

/** Memory of an entry, roughly. Events are small; the largest carry the texts of an error. */
function cost(entry: Entry): number {
  return entry.kind === "line" ? entry.line.text.length * 2 + 64 : 512;
}
