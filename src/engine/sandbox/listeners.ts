/** Which sockets of an instance listen, and where: /proc/PID/fd against /proc/PID/net/tcp and tcp6 (proc(5)). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openProcess, takeDescriptor } from "../../ffi/pidfd.ts";
import type { Fd } from "../../ffi/fd.ts";

/** State column of /proc/net/tcp (net/tcp_states.h). */
const tcpListen = "0A";
const tcpEstablished = "01";

export interface TcpEntry {
  readonly inode: string;
  readonly port: number;
  readonly remotePort: number;
  /** Two hexadecimal digits. */
  readonly state: string;
  readonly uid: number;
}

/** Reads the lines of a /proc/net/tcp or tcp6 file. */
export function parseTcpTable(text: string): TcpEntry[] {
  const entries: TcpEntry[] = [];
  for (const line of text.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const [, local, remote, state] = columns;
    const inode = columns[9];
    if (local === undefined || remote === undefined || state === undefined || inode === undefined) continue;
    const port = (address: string): number =>
      Number.parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
    entries.push({ inode, port: port(local), remotePort: port(remote), state, uid: Number(columns[7]) });
  }
  return entries;
}

function readTable(path: string): TcpEntry[] {
  try {
    return parseTcpTable(readFileSync(path, "utf8"));
  } catch {
    return []; // The process went away, or the kernel has no IPv6.
  }
}

/** All TCP sockets of the network namespace of a process. */
export function tcpSockets(pid: number): TcpEntry[] {
  return [...readTable(`/proc/${pid}/net/tcp`), ...readTable(`/proc/${pid}/net/tcp6`)];
}

/** Inode -> descriptor number of every socket a process has open. */
export function socketsOf(pid: number): Map<string, number> {
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

/** A listening socket of an instance: who has it, under which number. */
export interface ListenerPlace {
  readonly inode: string;
  readonly port: number;
  readonly pid: number;
  readonly fd: number;
}

/**
 * Every listening TCP socket of the given processes, each once though several of them share it.
 * @param namespacePid a process that is sure to live, in the network namespace of the others: a zombie has no tables
 */
export function findListeners(namespacePid: number, pids: readonly number[]): ListenerPlace[] {
  const listening = new Map<string, number>();
  for (const entry of tcpSockets(namespacePid)) {
    if (entry.state === tcpListen) listening.set(entry.inode, entry.port);
  }
  const found = new Map<string, ListenerPlace>();
  for (const pid of pids) {
    for (const [inode, fd] of socketsOf(pid)) {
      const port = listening.get(inode);
      if (port !== undefined && !found.has(inode)) found.set(inode, { inode, port, pid, fd });
    }
  }
  return [...found.values()];
}

/** Duplicates of listening sockets in this process; a process that ended meanwhile is left out. */
export function takeListeners(
  places: readonly ListenerPlace[],
): { readonly place: ListenerPlace; readonly fd: Fd }[] {
  const taken: { place: ListenerPlace; fd: Fd }[] = [];
  for (const place of places) {
    using process = openProcess(place.pid);
    const fd = process === null ? null : takeDescriptor(process, place.fd);
    if (fd !== null) taken.push({ place, fd });
  }
  return taken;
}

/** Connected sockets that the given processes have open, each once. */
export function openConnectionPlaces(
  namespacePid: number,
  pids: readonly number[],
): { readonly pid: number; readonly fd: number }[] {
  const connected = new Set(
    tcpSockets(namespacePid)
      .filter(({ state }) => state !== tcpListen)
      .map(({ inode }) => inode),
  );
  const found = new Map<string, { pid: number; fd: number }>();
  for (const pid of pids) {
    for (const [inode, fd] of socketsOf(pid))
      if (connected.has(inode) && !found.has(inode)) found.set(inode, { pid, fd });
  }
  return [...found.values()];
}

/**
 * Open connections of an instance: established sockets its processes hold, and those that still wait in the queue of
 * one of its listeners (they belong to no process yet: inode 0).
 */
export function countOpenConnections(
  namespacePid: number,
  pids: readonly number[],
  ports: ReadonlySet<number>,
): number {
  const owned = new Set<string>();
  for (const pid of pids) for (const inode of socketsOf(pid).keys()) owned.add(inode);
  let open = 0;
  for (const entry of tcpSockets(namespacePid)) {
    if (entry.state === tcpListen) continue;
    if (owned.has(entry.inode)) open += 1;
    else if (entry.inode === "0" && entry.state === tcpEstablished && ports.has(entry.port)) open += 1;
  }
  return open;
}
