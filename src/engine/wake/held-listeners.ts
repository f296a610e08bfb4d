/**
 * The listening sockets the engine holds for a function. While the function runs they are duplicates nobody looks at;
 * while it sleeps they are what keeps the port open: the kernel completes handshakes and queues data on them.
 */
import { fstatSync } from "node:fs";
import { bindDatagram, recordTargets, widenReceiveBuffer } from "../../ffi/datagram.ts";
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import { isReadable } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import {
  accept,
  closeWithReset,
  listen,
  listenInet,
  setDeferAccept,
  setReusePort,
  tcpInfo,
} from "../../ffi/socket.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import type { FunctionConfig, TransportProtocol } from "../../protocol/config.ts";
import type { KnownPlace, TakenListener } from "../lifecycle/driver.ts";
import { discardDatagrams, passDatagrams } from "./pass-datagrams.ts";
import { relayQueued } from "./relay.ts";

/** With a server's own backlog of 5, 44 of 50 clients of a sleeping function waited for a one-second SYN retry. */
const backlog = 4096;

/** A sleeping UDP function keeps so many bytes of datagrams, the kernel's own overhead apart; and so does one that was woken. */
const datagramBufferBytes = 4 * 1024 * 1024;

/** Marks ports whose listener is held, so that a cold process may bind beside it (bpf/cgroup.bpf.c). */
export interface HeldPorts {
  mark(port: number, protocol: TransportProtocol): void;
  unmark(port: number): void;
}

/** Says when the first SYN to a port has come, before its handshake ends (the data plane). */
export interface SynSource {
  watchSyn(port: number, onSyn: () => void): void;
  unwatchSyn(port: number): void;
}

/** Does something in the network namespace the function's sockets are in. */
export type InNetwork = <T>(work: () => T) => T;

/** What is waited for: see `wake_on`. */
export type WakeOn = FunctionConfig["wakeOn"];

/** A client that says nothing for so long wakes the function after all, under `wake_on: data`. */
const deferSeconds = 63;

export class HeldListeners implements Disposable {
  readonly #epoll: Epoll;
  readonly #ports: HeldPorts;
  readonly #syns: SynSource | null;
  readonly #protocol: TransportProtocol;
  readonly #notice: (text: string) => void;
  readonly #inNetwork: InNetwork;
  #wakeOn: WakeOn = "connection";
  #held: readonly TakenListener[] = [];
  #watching = false;
  /** Connections that had to be relayed because no listener was bound alike. */
  relayed = 0;

  /**
   * @param protocol of the function: all its sockets are of one kind
   * @param notice is told what clients lost
   */
  constructor(
    epoll: Epoll,
    ports: HeldPorts,
    options: {
      readonly protocol: TransportProtocol;
      readonly syns: SynSource | null;
      readonly inNetwork: InNetwork;
      notice(text: string): void;
    },
  ) {
    const { protocol, syns, inNetwork } = options;
    this.#inNetwork = inNetwork;
    this.#epoll = epoll;
    this.#notice = (text) => options.notice(text);
    this.#protocol = protocol;
    this.#syns = syns;
    this.#ports = ports;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Each port once, however many listeners it has: IPv4 and IPv6, or workers of their own. */
  get ports(): readonly number[] {
    return [...new Set(this.#held.map(({ port }) => port))];
  }

  /** Where the process had them; empty unless that is known of all. */
  get places(): readonly KnownPlace[] {
    const known = this.#held.flatMap(({ port, at }) => (at === undefined ? [] : [{ port, at }]));
    return known.length === this.#held.length ? known : [];
  }

  get addresses(): readonly ListenAddress[] {
    return this.#held.map(({ address }) => address);
  }

  /** Takes over duplicates of a running function's listeners; what is queued on earlier ones goes to them. */
  hold(listeners: readonly TakenListener[]): void {
    const previous = this.#held;
    this.#unwatch();
    this.#held = listeners;
    for (const { fd, port } of listeners) {
      if (this.#protocol === "tcp") listen(fd, backlog);
      else {
        // What waited is given to it at once, faster than it reads: with the usual 208 KiB the rest would be dropped, and where
        // an XDP program is attached, whatever comes behind one of the largest datagrams, which counts for 256 KiB there.
        widenReceiveBuffer(fd, datagramBufferBytes);
        this.#ports.mark(port, "udp"); // Its datagrams count from now on.
      }
    }
    for (const { fd, address } of previous) {
      if (this.#protocol === "udp") {
        if (!listeners.some((next) => isSameSocket(next.fd, fd))) this.#pass(fd, address.port);
        continue;
      }
      // The kernel moves a queue only to a socket bound alike; others are relayed (lazy start, a changed address).
      if (!listeners.some((next) => boundAlike(next.address, address)))
        this.relayed += relayQueued(this.#epoll, fd, address.port, this.#inNetwork);
    }
    this.#close(previous);
  }

  #pass(fd: Fd, port: number): void {
    const { passed, lost, why } = this.#inNetwork(() => passDatagrams(fd));
    if (why !== null)
      this.#notice(`port ${port}: ${lost} of ${passed + lost} waiting datagrams were lost: ${why}`);
  }

  /** Opens a listener where no process has one: lazy start, an adopted image. Throws SyscallError EADDRINUSE. */
  openPlaceholder(address: ListenAddress): void {
    const fd = this.#inNetwork(() =>
      this.#protocol === "udp" ? bindDatagram(address) : listenInet(address, backlog),
    );
    this.#held = [...this.#held, { port: address.port, address, fd }];
  }

  /**
   * Makes the sockets ready for a successor on the same port: it joins their SO_REUSEPORT group, for which the option
   * and the owner must be equal (net/ipv4/inet_connection_sock.c, inet_rcv_saddr_equal and sk_reuseport_match).
   */
  expectSuccessor(uid: number): void {
    for (const { fd, port } of this.#held) {
      setReusePort(fd);
      fd.chown(uid);
      this.#ports.mark(port, this.#protocol);
      if (this.#protocol === "tcp") continue;
      // While the function runs the socket is its own, and stays as it made it; this is said before it ends, or after.
      widenReceiveBuffer(fd, datagramBufferBytes);
      recordTargets(fd);
    }
  }

  /** Calls back once when somebody wants in; the sockets are not watched after that. */
  watch(wakeOn: WakeOn, onWanted: (cause: "connection" | "syn") => void): void {
    this.#unwatch();
    this.#watching = true;
    this.#wakeOn = wakeOn;
    const wanted = (cause: "connection" | "syn") => (): void => {
      if (!this.#watching) return;
      this.#unwatch();
      onWanted(cause);
    };
    for (const { fd, port } of this.#held) {
      if (wakeOn === "data") setDeferAccept(fd, deferSeconds);
      // Beside the connection, not instead of it: SYNs that come too often are not reported.
      if (wakeOn === "syn") this.#syns?.watchSyn(port, wanted("syn"));
      this.#epoll.add(fd, epollIn, wanted("connection"));
    }
  }

  stopWatching(): void {
    this.#unwatch();
  }

  #unwatch(): void {
    if (!this.#watching) return;
    this.#watching = false;
    for (const { fd, port } of this.#held) {
      this.#epoll.remove(fd);
      if (this.#wakeOn === "syn") this.#syns?.unwatchSyn(port);
      // A frozen function's own socket is among them; it finds it as it made it.
      if (this.#wakeOn === "data" && fd.isOpen) setDeferAccept(fd, 0);
    }
  }

  /** Whether a connection waits to be accepted. */
  hasQueued(): boolean {
    return this.#held.some(({ fd }) => isReadable(fd));
  }

  /** Closes every held socket: the kernel moves what is queued to the successor (tcp_migrate_req). */
  handOver(): void {
    this.#unwatch();
    const held = this.#held;
    this.#held = [];
    this.#close(held);
  }

  /** Gives the sockets away, open and with what is queued on them. */
  detach(): readonly TakenListener[] {
    this.#unwatch();
    const held = this.#held;
    this.#held = [];
    // Whoever takes them over marks the ports anew; a mark without a holder would let strangers join a port.
    for (const { port } of held) this.#ports.unmark(port);
    return held;
  }

  /** Accepts what is queued and resets it, so that clients of a failed wake do not hang. Only while no process runs. Returns how many. */
  rejectQueued(): number {
    let rejected = 0;
    for (const { fd } of this.#held) {
      if (this.#protocol === "udp") {
        rejected += discardDatagrams(fd);
        continue;
      }
      // The flag belongs to the socket, not to our duplicate: a server's own is blocking. It is dead now, and has no say.
      fd.setNonBlocking();
      // Those that wait now: who comes after the first reset is not of this wake, and is let in by the next.
      for (let left = tcpInfo(fd)?.queued ?? 0; left > 0; left--) {
        const connection = accept(fd);
        if (connection === null) break;
        closeWithReset(connection);
        rejected += 1;
      }
    }
    return rejected;
  }

  #close(listeners: readonly TakenListener[]): void {
    for (const { fd, port } of listeners) {
      fd.close();
      if (!this.#held.some((other) => other.port === port)) this.#ports.unmark(port);
    }
  }

  [Symbol.dispose](): void {
    this.handOver();
  }
}

/** Whether two descriptors are of one socket: their inodes tell. */
function isSameSocket(left: Fd, right: Fd): boolean {
  return fstatSync(left.number).ino === fstatSync(right.number).ino;
}

function boundAlike(left: ListenAddress, right: ListenAddress): boolean {
  return (
    left.family === right.family &&
    left.port === right.port &&
    left.v6Only === right.v6Only &&
    left.address.every((byte, index) => byte === right.address[index])
  );
}
