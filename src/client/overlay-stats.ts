/** A published state with its numbers replaced by those of the stats region, which are newer. */
import type { FunctionStats } from "../protocol/stats-layout.ts";
import type { StatsSnapshot } from "../protocol/stats-reader.ts";
import type { EngineView, FunctionView, InstanceView, RingUsage, SnapshotView } from "../protocol/views.ts";

export function overlayStats(view: EngineView, { pulse, functions }: StatsSnapshot): EngineView {
  const records = new Map(functions.map((record) => [record.id, record]));
  return {
    engine: { ...view.engine, phase: pulse.phase, readyCount: pulse.readyCount },
    functions: view.functions.map((fn) => {
      const record = records.get(fn.id);
      // The region leads, but a function that was just declared may be published before its record is written.
      return record === undefined ? fn : overlayFunction(fn, record);
    }),
  };
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

function overlayFunction(fn: FunctionView, stats: FunctionStats): FunctionView {
  return {
    ...fn,
    state: stats.state,
    activity: stats.activity,
    stateSinceMs: stats.stateSinceMs,
    instances: overlayInstances(fn, stats),
    wakes: stats.wakesSuspended + stats.wakesSnapshot + stats.wakesCold,
    coldStarts: stats.coldStarts,
    exits: stats.exits,
    violations: stats.violations,
    openConnections: stats.openConnections,
    restore: {
      count: sum(stats.restoreCounts),
      lastMs: stats.restoreLastMs,
      p50Ms: stats.restoreP50Ms,
      p95Ms: stats.restoreP95Ms,
      p99Ms: stats.restoreP99Ms,
    },
    wake: {
      count: stats.wakesSuspended + stats.wakesSnapshot + stats.wakesCold,
      lastMs: stats.wakeLastMs,
      p50Ms: stats.wakeP50Ms,
      p95Ms: stats.wakeP95Ms,
      p99Ms: stats.wakeP99Ms,
    },
    snapshot: overlaySnapshot(fn, stats),
    prepared: stats.warmPool,
  };
}

/** The region knows the sum over all copies; with several, what each has is left as it was published. */
function overlayInstances(fn: FunctionView, stats: FunctionStats): readonly InstanceView[] {
  if (stats.instances === 0) return [];
  if (stats.instances > 1) return fn.instances;
  const [known] = fn.instances;
  return [
    {
      id: known?.id ?? fn.id,
      pid: stats.pid === 0 ? null : stats.pid,
      state: stats.state,
      address: known?.address ?? null,
      memoryBytes: stats.memoryBytes,
      cpuMs: stats.cpuMs,
      ring: overlayRing(stats),
    },
  ];
}

function overlayRing({ ringCapacityBytes, ringUsedBytes, ringPending }: FunctionStats): RingUsage | null {
  if (ringCapacityBytes === null) return null;
  return { capacityBytes: ringCapacityBytes, usedBytes: ringUsedBytes ?? 0, pending: ringPending };
}

function overlaySnapshot(fn: FunctionView, stats: FunctionStats): SnapshotView | null {
  if (stats.snapshotImage === null) return null;
  return {
    atMs: stats.snapshotAtMs ?? 0,
    sizeBytes: stats.snapshotBytes ?? 0,
    golden: stats.snapshotGolden === 1,
    image: stats.snapshotImage,
    imageReason: fn.snapshot?.imageReason ?? "",
    dumpMs: stats.snapshotDumpMs ?? 0,
    trialMs: stats.snapshotTrialMs,
  };
}
