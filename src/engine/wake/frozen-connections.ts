/**
 * Open connections of a frozen function, under `idle.ignore_open`: duplicates of its sockets, polled in its place. Data
 * or a hang-up on any of them wakes it, as a new connection does.
 */
import { epollIn, epollRdHup } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";

export class FrozenConnections implements Disposable {
  readonly #epoll: Epoll;
  #sockets: readonly Fd[] = [];

  constructor(epoll: Epoll) {
    this.#epoll = epoll;
  }

  /** Takes over the duplicates and calls back once when one of them has something to read. */
  watch(sockets: readonly Fd[], onActivity: () => void): void {
    this[Symbol.dispose]();
    this.#sockets = sockets;
    for (const socket of sockets) {
      this.#epoll.add(socket, epollIn | epollRdHup, () => {
        this[Symbol.dispose]();
        onActivity();
      });
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) {
      this.#epoll.remove(socket);
      socket.close();
    }
    this.#sockets = [];
  }
}
