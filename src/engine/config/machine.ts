/** What this machine has, and whether a file asks for more. */
import { availableParallelism, totalmem } from "node:os";
import { describeListener } from "../port-owner.ts";
import { checkFolder } from "./access.ts";
import type { Identity } from "./access.ts";
import type { Draft } from "./draft.ts";
import { finding } from "./finding.ts";
import type { ConfigPath, Finding } from "./finding.ts";
import { describeOwner, listeningPorts, ownerOf } from "./ports.ts";
import { activeSwap, readTable } from "./swaps.ts";
import { describeSize } from "./units.ts";
import { readUserDatabase } from "./users.ts";
import type { UserDatabase } from "./users.ts";

/** Below this no runtime starts, and the kernel's own accounting eats the rest. */
export const minMemoryBytes = 8 * 1024 * 1024;

/** The facts that checks and look-ups use; tests give their own. */
export interface Machine {
  readonly memoryBytes: number;
  /** Active swap, zram included. */
  readonly swapBytes: number;
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
    swapBytes: activeSwap(readTable("/proc/swaps")).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
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
  return [
    ...checkLimit(["engine", "memory_budget"], draft.engine.memory_budget, machine),
    ...draft.functions.flatMap(({ index, fields }) =>
      checkLimit(["functions", index, "memory_limit"], fields.memory_limit, machine),
    ),
  ];
}

function checkLimit(path: ConfigPath, limit: number | undefined, machine: Machine): Finding[] {
  if (limit === undefined || (limit >= minMemoryBytes && limit <= machine.memoryBytes)) return [];
  const wrong =
    limit < minMemoryBytes
      ? "is below the least, 8MiB"
      : `is more than this machine has, ${describeSize(machine.memoryBytes)}`;
  const unit = limit > 0 && limit < 4096 ? `Without a unit it is bytes; did you mean ${limit}MiB?` : null;
  return [
    finding("AE_CONFIG_MEMORY_LIMIT", path, `${String(path.at(-1))} ${describeSize(limit)} ${wrong}`, unit),
  ];
}

/** Memory cannot be handed back to a machine that has nowhere to put it. */
export function checkReclaim(draft: Draft, machine: Machine): Finding[] {
  if (machine.swapBytes > 0) return [];
  return draft.functions.flatMap(({ index, fields }) =>
    fields.idle?.reclaim === true
      ? [
          finding(
            "AE_CONFIG_NO_SWAP",
            ["functions", index, "idle", "reclaim"],
            "idle.reclaim needs swap, and this machine has none active",
            "Make some (zram is swap in compressed memory: `zramctl`, `mkswap`, `swapon`), or leave reclaim out.",
          ),
        ]
      : [],
  );
}

/** Trigger ports on which another program listens. `ownPorts` are those that the engine itself holds. */
export function checkPortsFree(draft: Draft, ownPorts: ReadonlySet<number>): Finding[] {
  const taken = { tcp: listeningPorts("tcp"), udp: listeningPorts("udp") };
  return [...checkMetricsPort(draft, ownPorts, taken.tcp), ...checkTriggerPorts(draft, ownPorts, taken)];
}

/** Seen before anything is started: a second engine on one machine finds the first one's metrics here. */
function checkMetricsPort(
  { engine }: Draft,
  ownPorts: ReadonlySet<number>,
  taken: ReadonlyMap<number, readonly string[]>,
): Finding[] {
  if (engine.metrics === undefined || engine.metrics === "off") return [];
  const { port } = engine.metrics.listen;
  if (ownPorts.has(port) || !taken.has(port)) return [];
  return [
    {
      ...finding(
        "AE_CONFIG_PORT_TAKEN",
        ["engine", "metrics", "listen"],
        `port ${port}, where metrics are to be served, is taken by ${describeListener(port)}`,
        "Give this engine an address of its own, engine.metrics: {listen: 127.0.0.1:9091}, or set engine.metrics: off.",
      ),
    },
  ];
}

function checkTriggerPorts(
  draft: Draft,
  ownPorts: ReadonlySet<number>,
  taken: Readonly<Record<"tcp" | "udp", ReadonlyMap<number, readonly string[]>>>,
): Finding[] {
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
