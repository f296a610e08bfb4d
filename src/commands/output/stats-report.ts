/** `stats --json`: a contract with scripts. Fields are added, never changed. */
import type { EngineStats } from "../../client/engine-stats.ts";
import { latencyBoundsMs } from "../../protocol/latency-buckets.ts";
import type { FunctionStats } from "../../protocol/stats-layout.ts";

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** @param configFile from the engine's record: text is not in the region */
export function statsReport({ snapshot, liveness, heartbeatAgeMs }: EngineStats, configFile: string | null) {
  const { header, pulse, totals, errors, interfaces, functions } = snapshot;
  const { restoreCounts, wakeSuspendedCounts, wakeSnapshotCounts, wakeColdCounts, ...sums } = totals;
  return {
    engine: {
      pid: header.pid,
      name: header.name,
      version: header.version,
      startedAt: new Date(header.startedAtMs).toISOString(),
      configFile,
      phase: pulse.phase,
      readyCount: pulse.readyCount,
      functionCount: pulse.functionCount,
      criuVersion: header.criuVersion,
      hostChanges: header.hostChanges === "" ? [] : header.hostChanges.split("\n"),
      liveness,
      heartbeatAgeMs: Math.round(heartbeatAgeMs),
      memoryBytes: pulse.memoryBytes,
      cpuMs: pulse.cpuMs,
    },
    /** Upper bounds of the histograms; one more bucket holds what is above. */
    bucketBoundsMs: latencyBoundsMs,
    totals: {
      ...sums,
      wakes: totals.wakesSuspended + totals.wakesSnapshot + totals.wakesCold,
      restoreBuckets: restoreCounts,
      wakeSuspendedBuckets: wakeSuspendedCounts,
      wakeSnapshotBuckets: wakeSnapshotCounts,
      wakeColdBuckets: wakeColdCounts,
    },
    errors: Object.fromEntries(errors.map(({ code, count }) => [code, count])),
    interfaces,
    functions: functions.map(functionStats),
  };
}

export type StatsReport = ReturnType<typeof statsReport>;

function functionStats(stats: FunctionStats) {
  const wakes = stats.wakesSuspended + stats.wakesSnapshot + stats.wakesCold;
  return {
    id: stats.id,
    state: stats.state,
    activity: stats.activity,
    stateSinceMs: stats.stateSinceMs,
    triggerPort: stats.triggerPort === 0 ? null : stats.triggerPort,
    pid: stats.pid === 0 ? null : stats.pid,
    instances: stats.instances,
    warmPool: stats.warmPool,
    wakes,
    wakesByTier: { suspended: stats.wakesSuspended, snapshot: stats.wakesSnapshot, cold: stats.wakesCold },
    wakesFailed: stats.wakesFailed,
    coldStarts: stats.coldStarts,
    exits: stats.exits,
    violations: stats.violations,
    errors: stats.errors,
    openConnections: stats.openConnections,
    memoryBytes: stats.memoryBytes,
    cpuMs: stats.instances === 0 ? null : stats.cpuMs,
    packets: stats.packets,
    bytes: stats.bytes,
    syns: stats.syns,
    drops: stats.drops,
    restore: {
      count: sum(stats.restoreCounts),
      lastMs: stats.restoreLastMs,
      p50Ms: stats.restoreP50Ms,
      p95Ms: stats.restoreP95Ms,
      p99Ms: stats.restoreP99Ms,
      sumMs: stats.restoreSumMs,
      buckets: stats.restoreCounts,
    },
    wake: {
      count: wakes,
      lastMs: stats.wakeLastMs,
      p50Ms: stats.wakeP50Ms,
      p95Ms: stats.wakeP95Ms,
      p99Ms: stats.wakeP99Ms,
      sumMs: stats.wakeSuspendedSumMs + stats.wakeSnapshotSumMs + stats.wakeColdSumMs,
      bucketsByTier: {
        suspended: stats.wakeSuspendedCounts,
        snapshot: stats.wakeSnapshotCounts,
        cold: stats.wakeColdCounts,
      },
    },
    snapshot: snapshotStats(stats),
  };
}

function snapshotStats(stats: FunctionStats) {
  if (stats.snapshotImage === null) return null;
  return {
    atMs: stats.snapshotAtMs,
    sizeBytes: stats.snapshotBytes,
    golden: stats.snapshotGolden === 1,
    image: stats.snapshotImage,
    dumpMs: stats.snapshotDumpMs,
    trialMs: stats.snapshotTrialMs,
  };
}
