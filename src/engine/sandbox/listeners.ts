/**
 * The TCP sockets of an instance, asked one by one through duplicates of their descriptors. The kernel's own tables
 * (/proc/net/tcp) would name them too, but reading these walks every bucket of the machine's hash tables: 10 to 20 ms.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { isBoundDatagram } from "../../ffi/datagram.ts";
import type { Fd } from "../../ffi/fd.ts";
import { openProcess, takeDescriptor } from "../../ffi/pidfd.ts";
import { isListening, listenAddress, localAddress, tcpClose, tcpInfo, tcpListen } from "../../ffi/socket.ts";
import type { TransportProtocol } from "../../protocol/config.ts";
import type { TakenListener } from "../lifecycle/driver.ts";
import { innerPid } from "./process-tree.ts";

/** A TCP socket that a process has open. `fd` is a duplicate, the caller's to close. */
interface OwnedSocket {
  readonly pid: number;
  readonly number: number;
  readonly fd: Fd;
  readonly state: number;
  /** Connections in the accept queue of a listener. */
  readonly queued: number;
}

/** Inode -> descriptor number of every socket a process has open. */
function socketsOf(pid: number): Map<string, number> {
  const found = new Map<string, number>();
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1];
        if (inode !== undefined && !found.has(inode)) found.set(inode, Number(name));
      } catch {
        continue; // Closed between the two calls.
      }
    }
  } catch {
    return found; // The process went away.
  }
  return found;
}

/** Every TCP socket of the given processes, each once though several of them share it. */
function ownedSockets(pids: readonly number[]): OwnedSocket[] {
  const seen = new Set<string>();
  const owned: OwnedSocket[] = [];
  for (const pid of pids) {
    using process = openProcess(pid);
    if (process === null) continue;
    for (const [inode, number] of socketsOf(pid)) {
      if (seen.has(inode)) continue;
      const fd = takeDescriptor(process, number);
      const info = fd === null ? null : tcpInfo(fd);
      if (fd === null || info === null) {
        fd?.close();
        continue;
      }
      seen.add(inode);
      owned.push({ pid, number, fd, ...info });
    }
  }
  return owned;
}

/** A listening socket of an instance: who has it, under which number. `fd` is a duplicate, the caller's to close. */
export interface OwnedListener {
  readonly pid: number;
  readonly number: number;
  readonly port: number;
  readonly fd: Fd;
}

/** Duplicates of every listening TCP socket of the given processes. */
export function takeListeners(pids: readonly number[]): OwnedListener[] {
  const taken: OwnedListener[] = [];
  for (const { pid, number, fd, state } of ownedSockets(pids)) {
    const address = state === tcpListen ? localAddress(fd) : null;
    if (address === null) fd.close();
    else taken.push({ pid, number, port: address.port, fd });
  }
  return taken;
}

/** Duplicates of the UDP sockets with which the given processes take datagrams from anybody on a port. */
export function takeDatagramSockets(pids: readonly number[], port: number): OwnedListener[] {
  const seen = new Set<string>();
  const taken: OwnedListener[] = [];
  for (const pid of pids) {
    using process = openProcess(pid);
    if (process === null) continue;
    for (const [inode, number] of socketsOf(pid)) {
      if (seen.has(inode)) continue;
      const fd = takeDescriptor(process, number);
      if (fd === null) continue;
      if (isBoundDatagram(fd) && localAddress(fd)?.port === port) {
        seen.add(inode);
        taken.push({ pid, number, port, fd });
      } else {
        fd.close();
      }
    }
  }
  return taken;
}

/** Where clients of a function come in. */
export interface FunctionPort {
  readonly protocol: TransportProtocol;
  readonly port: number | null;
}

/** Duplicates of the sockets on which the given processes wait for clients: any that listens, or UDP on their port. */
export function takeEntrances(pids: readonly number[], { protocol, port }: FunctionPort): OwnedListener[] {
  if (protocol === "tcp") return takeListeners(pids);
  return port === null ? [] : takeDatagramSockets(pids, port);
}

/** The same, with the address and the place inside the sandbox at which a restored copy has it again. */
export function takePlacedEntrances(pids: readonly number[], where: FunctionPort): TakenListener[] {
  return takeEntrances(pids, where).map(({ pid, number, port, fd }) => {
    const at = { pid: innerPid(pid) ?? 0, fd: number };
    return { port, address: listenAddress(fd), fd, at };
  });
}

/** Whether a socket waits for clients of such a function. */
export function isEntrance(fd: Fd, { protocol }: FunctionPort): boolean {
  return protocol === "tcp" ? isListening(fd) : isBoundDatagram(fd);
}

/** Ports on which the given processes wait for clients. */
export function listeningPortsOf(pids: readonly number[], where: FunctionPort): number[] {
  using cleanup = new DisposableStack();
  return takeEntrances(pids, where).map(({ port, fd }) => {
    cleanup.use(fd);
    return port;
  });
}

/** Duplicates of the connected sockets of the given processes. */
export function takeConnections(pids: readonly number[]): Fd[] {
  const taken: Fd[] = [];
  for (const { fd, state } of ownedSockets(pids)) {
    if (state === tcpListen || state === tcpClose) fd.close();
    else taken.push(fd);
  }
  return taken;
}

/** Connections of the given processes: their connected sockets, and what waits in the queues of their listeners. */
export function countOpenConnections(pids: readonly number[]): number {
  let open = 0;
  for (const { fd, state, queued } of ownedSockets(pids)) {
    fd.close();
    if (state === tcpListen) open += queued;
    else if (state !== tcpClose) open += 1;
  }
  return open;
}
