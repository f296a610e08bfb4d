/** What this machine has, and whether a file asks for more. */
import { availableParallelism, totalmem } from "node:os";
import { checkFolder } from "./access.ts";
import type { Identity } from "./access.ts";
import type { Draft } from "./draft.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { describeOwner, listeningPorts, ownerOf } from "./ports.ts";
import { describeSize } from "./units.ts";
import { readUserDatabase } from "./users.ts";
import type { UserDatabase } from "./users.ts";

/** Below this no runtime starts, and the kernel's own accounting eats the rest. */
export const minMemoryBytes = 8 * 1024 * 1024;

/** The facts that checks and look-ups use; tests give their own. */
export interface Machine {
  readonly memoryBytes: number;
  readonly cores: number;
  readonly users: UserDatabase;
  /** PATH of the engine. */
  readonly path: string | undefined;
  /** Whom functions without `user` run as. */
  readonly self: Identity;
}

/** This machine. */
export function thisMachine(): Machine {
  const uid = process.geteuid?.() ?? 0;
  return {
    memoryBytes: totalmem(),
    cores: availableParallelism(),
    users: readUserDatabase(),
    path: process.env["PATH"],
    self: {
      uid,
      gid: process.getegid?.() ?? 0,
      groups: process.getgroups?.() ?? [],
      name: uid === 0 ? "root" : `uid ${uid}`,
    },
  };
}

/** Memory limits that the machine cannot give. */
export function checkMemory(draft: Draft, machine: Machine): Finding[] {
  return draft.functions.flatMap(({ index, fields: { memory_limit: limit } }) => {
    if (limit === undefined || (limit >= minMemoryBytes && limit <= machine.memoryBytes)) return [];
    const path = ["functions", index, "memory_limit"];
    const wrong =
      limit < minMemoryBytes
        ? "is below the least, 8MiB"
        : `is more than this machine has, ${describeSize(machine.memoryBytes)}`;
    const unit = limit > 0 && limit < 4096 ? `Without a unit it is bytes; did you mean ${limit}MiB?` : null;
    return [finding("AE_CONFIG_MEMORY_LIMIT", path, `memory_limit ${describeSize(limit)} ${wrong}`, unit)];
  });
}

/** Trigger ports on which another program listens. `ownPorts` are those that the engine itself holds. */
export function checkPortsFree(draft: Draft, ownPorts: ReadonlySet<number>): Finding[] {
  const taken = { tcp: listeningPorts("tcp"), udp: listeningPorts("udp") };
  return draft.functions.flatMap(({ index, fields: { trigger_port: port, protocol = "tcp" } }) => {
    const inodes = port === undefined || ownPorts.has(port) ? undefined : taken[protocol].get(port);
    if (inodes === undefined) return [];
    const owner = describeOwner(ownerOf(inodes));
    return [
      finding(
        "AE_CONFIG_PORT_TAKEN",
        ["functions", index, "trigger_port"],
        `port ${port} is taken by ${owner}`,
        "End that program, or choose another port.",
      ),
    ];
  });
}

/** The folder for snapshots. `dir` is absolute. */
export function checkSnapshotDir(dir: string, written: boolean, machine: Machine): Finding[] {
  const problem = checkFolder(dir, machine.self);
  if (problem === null) return [];
  const path = written ? ["engine", "snapshot_dir"] : ["engine"];
  return [
    finding(
      "AE_CONFIG_FOLDER_NOT_FOUND",
      path,
      `the snapshot folder ${dir} ${problem}`,
      "Create it, or name another as engine.snapshot_dir.",
    ),
  ];
}
