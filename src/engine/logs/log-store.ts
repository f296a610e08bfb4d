/** The output of all functions: bounded, numbered across functions, delivered to subscribers in batches. */
import type { LogLine } from "../../protocol/control.ts";
import { LineSplitter } from "./line-splitter.ts";
import { LogRing } from "./log-ring.ts";

export interface LogStoreOptions {
  /** Wall clock, milliseconds. */
  readonly now: () => number;
  /** Per function. */
  readonly maxLines?: number;
  readonly maxBytes?: number;
  /** How long lines are gathered before subscribers get them. 0: with the next turn of the loop. */
  readonly batchMs?: number;
}

/** One pipe of one instance: two instances of a function must not share a half-written line. */
export interface LogWriter {
  write(chunk: Uint8Array): void;
  /** The pipe has ended: a last line without a line end is kept too. */
  end(): void;
}

/** So many gathered lines are delivered at once, without waiting for the batch's time. */
const maxBatchLines = 512;

export class LogStore {
  readonly #now: () => number;
  readonly #maxLines: number;
  readonly #maxBytes: number;
  readonly #batchMs: number;
  readonly #rings = new Map<string, LogRing>();
  readonly #listeners = new Set<(lines: readonly LogLine[]) => void>();
  #batch: LogLine[] = [];
  #timer: NodeJS.Timeout | null = null;
  #nextSeq = 0;

  constructor(options: LogStoreOptions) {
    this.#now = options.now;
    this.#maxLines = options.maxLines ?? 2000;
    this.#maxBytes = options.maxBytes ?? 1024 * 1024;
    this.#batchMs = options.batchMs ?? 50;
  }

  /** Whole text: each of its lines becomes a line. For what the engine itself says, stream "engine". */
  append(functionId: string, stream: LogLine["stream"], text: string): void {
    const writer = this.open(functionId, stream);
    writer.write(Buffer.from(text));
    writer.end();
  }

  /** A writer for a pipe, which splits its bytes into lines. */
  open(functionId: string, stream: LogLine["stream"]): LogWriter {
    const splitter = new LineSplitter();
    const add = (lines: readonly string[]): void => {
      for (const text of lines) this.#add(functionId, stream, text);
    };
    return { write: (chunk) => add(splitter.push(chunk)), end: () => add(splitter.end()) };
  }

  /** The last `count` lines of a function, or of all for `null`; oldest first. */
  tail(functionId: string | null, count: number): readonly LogLine[] {
    const bounded = Math.max(0, Math.trunc(count));
    if (functionId !== null) return this.#rings.get(functionId)?.tail(bounded) ?? [];
    const lines = [...this.#rings.values()].flatMap((ring) => ring.tail(bounded));
    return lines.sort((a, b) => a.seq - b.seq).slice(Math.max(0, lines.length - bounded));
  }

  /** A removed function's lines are given up. */
  remove(functionId: string): void {
    this.#rings.delete(functionId);
  }

  /** Listeners get lines in order of `seq` and must not throw. */
  subscribe(listener: (lines: readonly LogLine[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Delivers what is gathered, now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#batch.length === 0) return;
    const lines = this.#batch;
    this.#batch = [];
    for (const listener of this.#listeners) listener(lines);
  }

  [Symbol.dispose](): void {
    this.flush();
    this.#listeners.clear();
  }

  #add(functionId: string, stream: LogLine["stream"], text: string): void {
    const line: LogLine = { seq: this.#nextSeq, atMs: this.#now(), functionId, stream, text };
    this.#nextSeq += 1;
    let ring = this.#rings.get(functionId);
    if (ring === undefined) {
      ring = new LogRing(this.#maxLines, this.#maxBytes);
      this.#rings.set(functionId, ring);
    }
    ring.push(line);
    if (this.#listeners.size === 0) return;
    this.#batch.push(line);
    if (this.#batch.length >= maxBatchLines) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.#batchMs).unref();
  }
}
