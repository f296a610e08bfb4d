/** Requests and events over one SEQPACKET socket to launcher or init. */
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import { errnoName } from "../../ffi/libc.ts";
import { receiveMessage, sendMessage } from "../../ffi/message.ts";
import { decodeWire, wireTag, wireType } from "./wire.ts";
import type { WireMessage, WireWriter } from "./wire.ts";

/** The peer answered with an error: which step failed, on what, and errno. */
export class WireError extends Error {
  readonly step: string;
  readonly detail: string;
  readonly errno: number;
  /** Name of the errno, as "ENOENT". */
  readonly code: string;

  constructor(step: string, detail: string, value: number) {
    const code = errnoName(value);
    super(`${step}${detail === "" ? "" : ` ${detail}`}: ${code}`);
    this.name = "WireError";
    this.step = step;
    this.detail = detail;
    this.errno = value;
    this.code = code;
  }
}

export interface WireReply {
  readonly message: WireMessage;
  /** The caller's to close. */
  readonly descriptors: readonly Fd[];
}

interface Pending {
  readonly resolve: (reply: WireReply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One end of the wire. Closing it rejects what is pending. */
export class WireChannel implements Disposable {
  readonly #epoll: Epoll;
  readonly #socket: Fd;
  readonly #onEvent: (message: WireMessage) => void;
  readonly #onClosed: () => void;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor(epoll: Epoll, socket: Fd, onEvent: (message: WireMessage) => void, onClosed: () => void) {
    this.#epoll = epoll;
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.#onClosed = onClosed;
    epoll.add(socket, epollIn, () => this.#receive());
  }

  get isOpen(): boolean {
    return this.#socket.isOpen;
  }

  /**
   * Sends a request and resolves with the answer.
   * Rejects with WireError (the peer's), SyscallError (the socket's) or a plain Error (deadline, channel closed).
   */
  request(writer: WireWriter, deadlineMs: number): Promise<WireReply> {
    if (!this.isOpen) return Promise.reject(new Error("the other side of the channel is gone"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`no answer within ${deadlineMs} ms`));
      }, deadlineMs);
      this.#pending.set(id, { resolve, reject, timer });
      try {
        if (!sendMessage(this.#socket, writer.encode(id), writer.descriptors))
          throw new Error("the channel is full");
      } catch (error) {
        this.#settle(id)?.reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  #settle(id: number): Pending | null {
    const pending = this.#pending.get(id);
    if (pending === undefined) return null;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    return pending;
  }

  #receive(): void {
    while (this.isOpen) {
      const received = receiveMessage(this.#socket);
      if (received === null) return;
      if (received === "closed") {
        this.close();
        this.#onClosed();
        return;
      }
      const message = decodeWire(received.data);
      const pending = message === null || message.id === 0 ? null : this.#settle(message.id);
      if (pending === null || message === null) {
        for (const fd of received.descriptors) fd.close();
        if (message !== null && message.id === 0) this.#onEvent(message);
        continue;
      }
      if (message.type === wireType.OK) {
        pending.resolve({ message, descriptors: received.descriptors });
        continue;
      }
      for (const fd of received.descriptors) fd.close();
      const text = (tag: number): string => message.text(tag) ?? "";
      pending.reject(
        new WireError(text(wireTag.STEP), text(wireTag.DETAIL), message.int(wireTag.ERRNO) ?? 0),
      );
    }
  }

  /** Ends the channel; the peer sees its end close. */
  close(): void {
    if (!this.#socket.isOpen) return;
    this.#epoll.remove(this.#socket);
    this.#socket.close();
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new Error("the channel was closed"));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
