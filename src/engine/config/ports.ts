/** Which program waits for clients on a port of this machine. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import type { TransportProtocol } from "../../protocol/config.ts";

export interface PortOwner {
  /** `null` where the process cannot be seen (another user's, another pid namespace). */
  readonly pid: number | null;
  readonly name: string | null;
}

/** A listener; a UDP socket that is bound and not connected. */
const waitingStates = { tcp: "0A", udp: "07" } as const satisfies Record<TransportProtocol, string>;

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // A process that just ended, or a kernel without IPv6: nothing listens there.
  }
}

/** Port -> inodes of the sockets that wait for clients on it, in the network namespace of this process. */
export function listeningPorts(protocol: TransportProtocol): Map<number, string[]> {
  const ports = new Map<number, string[]>();
  const state = waitingStates[protocol];
  for (const path of [`/proc/self/net/${protocol}`, `/proc/self/net/${protocol}6`]) {
    for (const line of read(path).split("\n").slice(1)) {
      const columns = line.trim().split(/\s+/);
      const inode = columns[9];
      if (columns[3] !== state || inode === undefined) continue;
      const port = Number.parseInt(columns[1]?.split(":")[1] ?? "", 16);
      ports.set(port, [...(ports.get(port) ?? []), inode]);
    }
  }
  return ports;
}

/** The process that has one of the sockets open. Reads every process's descriptors, so only for the message. */
export function ownerOf(inodes: readonly string[]): PortOwner {
  const wanted = new Set(inodes.map((inode) => `socket:[${inode}]`));
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    let descriptors: string[] = [];
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`);
    } catch {
      continue; // Ended meanwhile, or not ours to see.
    }
    for (const fd of descriptors) {
      try {
        if (wanted.has(readlinkSync(`/proc/${pid}/fd/${fd}`)))
          return { pid: Number(pid), name: read(`/proc/${pid}/comm`).trim() || null };
      } catch {
        continue; // Closed meanwhile.
      }
    }
  }
  return { pid: null, name: null };
}

/** `python3 (pid 123)`, or words for a program that cannot be seen. */
export function describeOwner({ pid, name }: PortOwner): string {
  if (pid === null) return "another program";
  return `${name ?? "a program"} (pid ${pid})`;
}
