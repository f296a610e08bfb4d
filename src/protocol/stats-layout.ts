/**
 * The stats region, /dev/shm/aether-<engine>.stats: the one definition of its layout. Reader, writer and
 * docs/stats-region.md (scripts/gen-stats-layout.mjs) are made from these tables.
 */
import { latencyBucketCount } from "./latency-buckets.ts";
import { maxEngineNameLength, maxFunctionIdLength } from "./paths.ts";
import { counter, f64, f64OrNull, gauge, guardedFieldsAt, layRecord, u32, u64 } from "./stats-fields.ts";
import type { ValuesOf } from "./stats-fields.ts";
import { unparsedReasons } from "./unparsed-reasons.ts";
import { activities, enginePhases, instanceStates } from "./states.ts";

/** The first eight bytes of the file. */
export const statsMagic = "AETHERST";

/** Raised with every change of the tables below; a reader takes its own number only. */
export const statsLayoutVersion = 2;

/** The heartbeat comes so often, whatever else happens. */
export const heartbeatIntervalMs = 100;

const text = (sizeBytes: number) => ({ type: "text", sizeBytes }) as const;
const counts = { type: "counts", length: latencyBucketCount } as const;

/** Written before the file gets its name, and never again. */
export const headerLayout = layRecord("header", 0, "What the file is, and where its records lie.", {
  magic: gauge(text(8), `\`${statsMagic}\``),
  layoutVersion: gauge(u32, "Version of this layout."),
  generation: gauge(u32, "1 for an engine's first file, one more for each that is larger."),
  fileBytes: gauge(u64, "Size of the file."),
  pid: gauge(u32, "Process id of the engine."),
  startTicks: gauge(
    u64,
    "Start time of that process, clock ticks since boot (field 22 of /proc/PID/stat): with the pid it is never used twice.",
  ),
  startedAtMs: gauge(f64, "When the engine started, ms since 1970."),
  pulseOffset: gauge(u32, "Where the pulse lies."),
  totalsOffset: gauge(u32, "Where the totals lie."),
  errorOffset: gauge(u32, "Where the first error record lies."),
  errorCapacity: gauge(u32, "How many error records there are."),
  interfaceOffset: gauge(u32, "Where the first interface record lies."),
  interfaceCapacity: gauge(u32, "How many interface records there are."),
  functionOffset: gauge(u32, "Where the first function record lies."),
  functionCapacity: gauge(u32, "How many function records there are."),
  name: gauge(text(maxEngineNameLength + 8), "Name of the engine."),
  version: gauge(text(32), "Version of Aether."),
  criuVersion: gauge(text(32), "Version of CRIU."),
  hostChanges: gauge(text(256), "What was changed on the host and is put back on leaving, one a line."),
});

/** The engine's pulse: written every 100 ms. */
export const pulseLayout = layRecord(
  "pulse",
  guardedFieldsAt,
  `The engine's life. Written every ${heartbeatIntervalMs} ms, whether anything else changes or not.`,
  {
    heartbeatMs: gauge(f64, "CLOCK_MONOTONIC at the last beat, ms."),
    beats: gauge(u64, "Beats so far."),
    phase: gauge({ type: "choice", of: enginePhases }, "What the engine is doing."),
    readyCount: gauge(u32, "Functions that were brought to their first states."),
    functionCount: gauge(u32, "Functions declared."),
    superseded: gauge(u32, "1: this file is no longer written; open the path again, a larger one is there."),
    ended: gauge(u32, "1: the engine has ended in order."),
    memoryBytes: gauge(f64, "Resident memory of the engine's process, sampled about once a second."),
    cpuMs: gauge(f64, "Processor time of the engine's process, user and system, sampled with it."),
  },
);

const histogram = (what: string) => ({
  counts: counter(counts, `${what}: how many fell into each bucket (not cumulative).`),
  sumMs: counter(f64, `${what}: sum, ms.`),
});
const restore = histogram("Restores by CRIU");
const suspended = histogram("Wakes from `Suspended`, connection seen to hand-over");
const snapshot = histogram("Wakes from a snapshot, connection seen to hand-over");
const cold = histogram("Cold starts for a waiting client, connection seen to hand-over");

/** What only rises. The totals hold the same, summed over all functions, those that were removed included. */
const counters = {
  wakesSuspended: counter(u64, "Wakes from `Suspended`."),
  wakesSnapshot: counter(u64, "Wakes from a snapshot."),
  wakesCold: counter(u64, "Wakes by a cold start."),
  wakesFailed: counter(u64, "Wakes that did not come about; their clients were reset."),
  coldStarts: counter(u64, "Starts from nothing, for whatever reason."),
  exits: counter(u64, "Instances that ended by themselves."),
  violations: counter(u64, "Restores over their budget, trials included."),
  errors: counter(u64, "Errors reported."),
  restoreCounts: restore.counts,
  restoreSumMs: restore.sumMs,
  wakeSuspendedCounts: suspended.counts,
  wakeSuspendedSumMs: suspended.sumMs,
  wakeSnapshotCounts: snapshot.counts,
  wakeSnapshotSumMs: snapshot.sumMs,
  wakeColdCounts: cold.counts,
  wakeColdSumMs: cold.sumMs,
  packets: counter(u64, "Packets that the data plane saw for the trigger port."),
  bytes: counter(u64, "Their bytes, with all headers."),
  syns: counter(u64, "First packets of connections among them."),
  drops: counter(u64, "Packets that the data plane dropped."),
  cpuMs: counter(f64, "Processor time of the function's cgroup, ms, when it was last looked at."),
} as const;

export type CounterName = keyof typeof counters;
export const counterNames = Object.keys(counters) as readonly CounterName[];

export const totalsLayout = layRecord(
  "totals",
  guardedFieldsAt,
  "Sums over all functions since the engine started, those that were removed included.",
  { ...counters, errorsElsewhere: counter(u64, "Errors that belong to no function.") },
);

export const errorLayout = layRecord(
  "error",
  guardedFieldsAt,
  "How often one error code was reported, for functions and engine alike.",
  { code: gauge(text(56), "The code."), count: counter(u64, "How often.") },
);

export const interfaceLayout = layRecord(
  "interface",
  guardedFieldsAt,
  "One network interface that the data plane is attached to.",
  {
    name: gauge(text(16), "Its name."),
    packets: counter(u64, "Packets seen."),
    bytes: counter(u64, "Their bytes."),
    syns: counter(u64, "First packets of connections to declared ports."),
    drops: counter(u64, "Packets dropped: SYNs over the declared rate of their port."),
    redirected: counter(u64, "Packets sent on to an address elsewhere."),
    unparsed: counter(
      { type: "counts", length: unparsedReasons.length },
      `Packets passed without a look at their port, by reason: ${unparsedReasons.join(", ")}.`,
    ),
  },
);

export const imageKinds = ["stock", "mapped"] as const;

export const functionLayout = layRecord("function", guardedFieldsAt, "One function. Written on change.", {
  id: gauge(text(maxFunctionIdLength + 8), "Its id."),
  position: gauge(u32, "Its place in the configuration, from 0."),
  triggerPort: gauge(u32, "Its port; 0 for none."),
  state: gauge({ type: "choice", of: instanceStates }, "Its state."),
  activity: gauge({ type: "choice-or-null", of: activities }, "What is under way."),
  stateSinceMs: gauge(f64, "When the state was entered, ms since 1970."),
  instances: gauge(u32, "Running copies."),
  pid: gauge(u32, "Process id of the first one; 0 for none."),
  warmPool: gauge(u32, "Restores made ready ahead."),
  openConnections: gauge(u32, "Open connections, as the kernel program of the sandboxes counts them."),
  ringCapacityBytes: gauge(f64OrNull, "Size of the rings of its running copies; none where it has none."),
  ringUsedBytes: gauge(f64OrNull, "What is written in them and not yet read."),
  ringPending: gauge(u32, "Events given to it over them and not yet answered."),
  memoryBytes: gauge(f64OrNull, "Memory of its cgroup; not known while nothing runs, or nothing counts."),
  restoreBudgetMs: gauge(f64, "Its limit on a restore."),
  restoreLastMs: gauge(f64OrNull, "The last restore."),
  restoreP50Ms: gauge(f64OrNull, "Median of the last 512 restores."),
  restoreP95Ms: gauge(f64OrNull, "Their 95th percentile."),
  restoreP99Ms: gauge(f64OrNull, "Their 99th percentile."),
  wakeLastMs: gauge(f64OrNull, "The last wake, from whichever tier."),
  wakeP50Ms: gauge(f64OrNull, "Median of the last 512 wakes."),
  wakeP95Ms: gauge(f64OrNull, "Their 95th percentile."),
  wakeP99Ms: gauge(f64OrNull, "Their 99th percentile."),
  snapshotImage: gauge(
    { type: "choice-or-null", of: imageKinds },
    "How the pages of its snapshot come back; none without a snapshot.",
  ),
  snapshotGolden: gauge(u32, "1: every wake is from this one snapshot."),
  snapshotAtMs: gauge(f64OrNull, "When it was made, ms since 1970."),
  snapshotBytes: gauge(f64OrNull, "Its size."),
  snapshotDumpMs: gauge(f64OrNull, "How long making it took."),
  snapshotTrialMs: gauge(f64OrNull, "Median of its trial restores, where there were any."),
  ...counters,
});

export type HeaderStats = ValuesOf<typeof headerLayout.fields>;
export type PulseStats = ValuesOf<typeof pulseLayout.fields>;
export type TotalStats = ValuesOf<typeof totalsLayout.fields>;
export type ErrorStats = ValuesOf<typeof errorLayout.fields>;
export type InterfaceStats = ValuesOf<typeof interfaceLayout.fields>;
export type FunctionStats = ValuesOf<typeof functionLayout.fields>;
export type Counters = Pick<FunctionStats, CounterName>;

/** Room for every error code there is; a test compares it with their number. */
export const errorCapacity = 128;

export interface RegionCapacity {
  readonly functions: number;
  readonly interfaces: number;
}

export interface RegionPlan extends RegionCapacity {
  readonly pulseAt: number;
  readonly totalsAt: number;
  readonly errorsAt: number;
  readonly interfacesAt: number;
  readonly functionsAt: number;
  readonly sizeBytes: number;
}

/** Where everything lies in a file of that capacity. */
export function planRegion({ functions, interfaces }: RegionCapacity): RegionPlan {
  const pulseAt = headerLayout.sizeBytes;
  const totalsAt = pulseAt + pulseLayout.sizeBytes;
  const errorsAt = totalsAt + totalsLayout.sizeBytes;
  const interfacesAt = errorsAt + errorCapacity * errorLayout.sizeBytes;
  const functionsAt = interfacesAt + interfaces * interfaceLayout.sizeBytes;
  const sizeBytes = functionsAt + functions * functionLayout.sizeBytes;
  return { functions, interfaces, pulseAt, totalsAt, errorsAt, interfacesAt, functionsAt, sizeBytes };
}
