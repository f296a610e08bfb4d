/** One reader of a stream: NDJSON onto a response, at the reader's pace. */
import type { ServerResponse } from "node:http";
import type { StreamMessage } from "../../protocol/control.ts";
import type { CoreChange } from "./control-core.ts";
import type { StreamQueue } from "./stream-queue.ts";

/** An empty line so often, by which a client tells a quiet engine from one that hangs. */
export const heartbeatMs = 5000;

export class StreamWriter {
  readonly #response: ServerResponse;
  readonly #queue: StreamQueue;
  readonly #heartbeat: NodeJS.Timeout;
  #stateTimer: NodeJS.Timeout | null = null;
  /** The socket's buffer is full: wait for `drain`. */
  #blocked = false;
  #ended = false;

  constructor(response: ServerResponse, queue: StreamQueue) {
    this.#response = response;
    this.#queue = queue;
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    response.on("drain", () => {
      this.#blocked = false;
      this.#pump();
    });
    response.on("close", () => this.#stop());
    this.#heartbeat = setInterval(() => {
      if (!this.#blocked && !this.#ended) this.#blocked = !response.write("\n");
    }, heartbeatMs).unref();
  }

  /** Before anything else: the greeting. */
  write(message: StreamMessage): void {
    if (this.#ended) return;
    // A message that does not fit is buffered by Node; from then on nothing follows until it has gone.
    if (!this.#response.write(`${serialize(message)}\n`)) this.#blocked = true;
  }

  push(change: CoreChange): void {
    if (this.#ended) return;
    this.#queue.push(change);
    this.#pump();
  }

  /** The engine ends in order: the last chunk tells the client so. */
  end(): void {
    if (this.#ended) return;
    this.#stop();
    this.#response.end();
  }

  #pump(): void {
    while (!this.#blocked && !this.#ended) {
      const message = this.#queue.take(performance.now());
      if (message === null) break;
      this.write(message);
    }
    const dueAtMs = this.#queue.stateDueAtMs();
    if (dueAtMs === null || this.#blocked || this.#ended) return;
    this.#stateTimer ??= setTimeout(
      () => {
        this.#stateTimer = null;
        this.#pump();
      },
      Math.max(1, dueAtMs - performance.now()),
    ).unref();
  }

  #stop(): void {
    this.#ended = true;
    clearInterval(this.#heartbeat);
    if (this.#stateTimer !== null) clearTimeout(this.#stateTimer);
  }
}

/** A state goes to every console: it is made text once. */
const texts = new WeakMap<StreamMessage, string>();

function serialize(message: StreamMessage): string {
  if (message.type !== "state") return JSON.stringify(message);
  let text = texts.get(message);
  if (text === undefined) {
    text = JSON.stringify(message);
    texts.set(message, text);
  }
  return text;
}
