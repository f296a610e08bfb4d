/** The handshake: the function connects to its socket and sends the five bytes READY, no more and no less. */
import { chmodSync, chownSync, rmSync } from "node:fs";
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import { accept, listenUnix } from "../../ffi/socket.ts";

const expected = Buffer.from("READY");

/** How the handshake ended: in order, or with other bytes (shown shortened). */
export type HandshakeResult = { readonly ok: true } | { readonly ok: false; readonly got: string };

/**
 * The engine's side of one handshake. Both descriptors are closed as soon as it is over: CRIU can save a unix socket
 * whose peer is gone, not half of a live pair.
 */
export class Handshake implements Disposable {
  /** Host path of the socket, to be bound into the sandbox. */
  readonly path: string;
  readonly result: Promise<HandshakeResult>;
  readonly #epoll: Epoll;
  readonly #listener: Fd;
  #connection: Fd | null = null;
  #received = Buffer.alloc(0);
  readonly #settle: (result: HandshakeResult) => void;

  /** Makes the socket, connectable by the function's user alone. Throws SyscallError. */
  constructor(epoll: Epoll, path: string, uid: number) {
    const { promise, resolve } = Promise.withResolvers<HandshakeResult>();
    this.path = path;
    this.result = promise;
    this.#settle = resolve;
    this.#epoll = epoll;
    rmSync(path, { force: true });
    this.#listener = listenUnix(path, 4);
    chmodSync(path, 0o600);
    chownSync(path, uid, 0);
    epoll.add(this.#listener, epollIn, () => this.#accept());
  }

  #accept(): void {
    if (this.#connection !== null) return;
    const connection = accept(this.#listener);
    if (connection === null) return;
    this.#connection = connection;
    // One function, one handshake: a second connection waits in the backlog and is refused at the end.
    this.#epoll.remove(this.#listener);
    this.#epoll.add(connection, epollIn, () => this.#read(connection));
  }

  #read(connection: Fd): void {
    const chunk = Buffer.alloc(64);
    const got = connection.read(chunk);
    if (got === null) return;
    this.#received = Buffer.concat([this.#received, chunk.subarray(0, got)]);
    if (
      got > 0 &&
      this.#received.length < expected.length &&
      expected.subarray(0, this.#received.length).equals(this.#received)
    ) {
      return;
    }
    if (this.#received.equals(expected)) this.#finish({ ok: true });
    else this.#finish({ ok: false, got: JSON.stringify(this.#received.subarray(0, 32).toString("latin1")) });
  }

  #finish(result: HandshakeResult): void {
    this[Symbol.dispose]();
    this.#settle(result);
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#connection, this.#listener]) {
      if (fd === null || !fd.isOpen) continue;
      this.#epoll.remove(fd);
      fd.close();
    }
    rmSync(this.path, { force: true });
  }
}
