/**
 * Hands queued connections to a function that listens on another address than the placeholder they came in on: the
 * kernel migrates only between sockets bound alike. Needed for the clients of a lazy function's first start alone, when
 * its address family is not known yet; everything later goes without a proxy.
 */
import { epollHup, epollIn, epollOut } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import {
  accept,
  AF_INET,
  AF_INET6,
  connectInet,
  inetSocket,
  loopback,
  shutdownWrite,
  socketError,
} from "../../ffi/socket.ts";

type InNetwork = <T>(work: () => T) => T;

const bufferBytes = 65_536;
const maxRelayed = 1_024;

/** One direction of a connection: what was read and not written yet. */
interface Flow {
  readonly from: Fd;
  readonly to: Fd;
  pending: Uint8Array;
  ended: boolean;
}

/**
 * Accepts what is queued on the listener and connects it to the port. Returns how many.
 * @param inNetwork runs what makes a socket in the function's network namespace
 */
export function relayQueued(epoll: Epoll, listener: Fd, port: number, inNetwork: InNetwork): number {
  // A listener taken from a server has that server's flags, often blocking; it is about to be closed.
  listener.setNonBlocking();
  let count = 0;
  for (let client = accept(listener); client !== null; client = accept(listener)) {
    if (count < maxRelayed) relay({ epoll, port, inNetwork }, client, AF_INET);
    else client.close();
    count += 1;
  }
  return count;
}

interface Way {
  readonly epoll: Epoll;
  readonly port: number;
  readonly inNetwork: InNetwork;
}

function relay(way: Way, client: Fd, family: typeof AF_INET | typeof AF_INET6): void {
  const { epoll, port, inNetwork } = way;
  const server = inNetwork(() => inetSocket(family));
  const close = (): void => {
    for (const fd of [client, server]) {
      epoll.remove(fd);
      fd.close();
    }
  };
  const flows: Flow[] = [
    { from: client, to: server, pending: new Uint8Array(0), ended: false },
    { from: server, to: client, pending: new Uint8Array(0), ended: false },
  ];
  const pump = (): void => {
    for (const flow of flows) move(flow);
    if (flows.every(({ ended, pending }) => ended && pending.length === 0)) return close();
    for (const fd of [client, server]) epoll.modify(fd, interest(fd, flows));
  };
  const guarded = (): void => {
    if (!client.isOpen) return;
    try {
      pump();
    } catch {
      close(); // One side has gone: the other sees it by its own connection's end.
    }
  };
  const connected = (events: number): void => {
    if (socketError(server) !== 0) {
      epoll.remove(server);
      server.close();
      // The function may listen on the other family only.
      if (family === AF_INET) return relay(way, client, AF_INET6);
      return client.close();
    }
    if ((events & (epollOut | epollHup)) === 0) return;
    epoll.remove(server);
    epoll.add(client, epollIn, guarded);
    epoll.add(server, epollIn, guarded);
  };
  connectInet(server, loopback(family, port));
  epoll.add(server, epollOut, connected);
}

/** Reads once and writes what fits. */
function move(flow: Flow): void {
  if (!flow.ended && flow.pending.length === 0) {
    const chunk = new Uint8Array(bufferBytes);
    const got = flow.from.read(chunk);
    if (got === 0) {
      flow.ended = true;
      shutdownWrite(flow.to);
    } else if (got !== null) {
      flow.pending = chunk.subarray(0, got);
    }
  }
  if (flow.pending.length > 0) flow.pending = flow.pending.subarray(flow.to.write(flow.pending) ?? 0);
}

/** Read while nothing waits to be written on the other side; wait for room while something does. */
function interest(fd: Fd, flows: readonly Flow[]): number {
  let events = 0;
  for (const flow of flows) {
    if (flow.from === fd && !flow.ended && flow.pending.length === 0) events |= epollIn;
    if (flow.to === fd && flow.pending.length > 0) events |= epollOut;
  }
  return events;
}
