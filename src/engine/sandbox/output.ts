/** A function's stdout and stderr: pipes whose read ends stay with the engine. */
import { readlinkSync } from "node:fs";
import { epollHup, epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import { makePipe } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import type { SandboxContext } from "./context.ts";

export type OutputStream = "stdout" | "stderr";

/** Bytes read in one turn; a function that writes without pause must not starve the others. */
const chunkBytes = 65_536;

/**
 * For so long after a hand-over a restored function's output is not read: a handler that logs each request would be
 * interrupted by its own log line before its answer is out. A pipe holds 64 KiB meanwhile.
 */
const quietMs = 20;

/** The two pipes of one sandbox. */
export class OutputPipes implements Disposable {
  readonly stdout: Fd;
  readonly stderr: Fd;
  /** The names by which an image knows the pipes: "pipe:[inode]". */
  readonly names: Readonly<Record<OutputStream, string>>;
  readonly #epoll: Epoll;
  readonly #readers: Readonly<Record<OutputStream, Fd>>;
  readonly #onChunk: (stream: OutputStream, chunk: Uint8Array) => void;
  readonly #room: () => Promise<void> | null;

  constructor(context: Pick<SandboxContext, "epoll" | "output" | "outputRoom">, functionId: string) {
    this.#epoll = context.epoll;
    const out = makePipe();
    const err = makePipe();
    this.stdout = out.write;
    this.stderr = err.write;
    this.#readers = { stdout: out.read, stderr: err.read };
    this.names = { stdout: pipeName(out.write), stderr: pipeName(err.write) };
    this.#onChunk = (stream, chunk) => context.output(functionId, stream, chunk);
    this.#room = () => context.outputRoom(functionId);
  }

  /** Reads what comes from now on. */
  watch(): void {
    for (const stream of ["stdout", "stderr"] as const) this.#watch(stream);
  }

  /** The same a moment later, when the client that woke the function has its answer. */
  watchSoon(): void {
    setTimeout(() => this.watch(), quietMs);
  }

  #watch(stream: OutputStream): void {
    const reader = this.#readers[stream];
    if (!reader.isOpen) return;
    this.#epoll.add(reader, epollIn, (events) => {
      this.#read(stream, events);
      const pause = this.#room();
      if (pause === null) return;
      this.#epoll.remove(reader);
      void pause.then(() => this.#watch(stream));
    });
  }

  #read(stream: OutputStream, events: number): void {
    const reader = this.#readers[stream];
    const chunk = new Uint8Array(chunkBytes);
    const got = reader.read(chunk);
    if (got !== null && got > 0) return this.#onChunk(stream, chunk.slice(0, got));
    if (got === 0 || (events & epollHup) !== 0) this.#epoll.remove(reader);
  }

  /** Closes our write ends once the sandbox's programs have theirs, so that its end is an end of file. */
  closeWriteEnds(): void {
    this.stdout.close();
    this.stderr.close();
  }

  /** Reads what is left and closes everything. */
  drain(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const reader = this.#readers[stream];
      if (!reader.isOpen) continue;
      // Bounded: at most what a pipe can hold (1 MiB, F_SETPIPE_SZ's usual limit).
      for (let turn = 0; turn < 16; turn++) {
        const chunk = new Uint8Array(chunkBytes);
        const got = reader.read(chunk);
        if (got === null || got === 0) break;
        this.#onChunk(stream, chunk.slice(0, got));
      }
    }
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const reader of Object.values(this.#readers)) {
      this.#epoll.remove(reader);
      reader.close();
    }
    this.closeWriteEnds();
  }
}

function pipeName(fd: Fd): string {
  return readlinkSync(`/proc/self/fd/${fd.number}`);
}
