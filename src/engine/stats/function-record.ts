/** A function's record in the stats region, from its view and what is counted beside it. */
import type { FunctionStats } from "../../protocol/stats-layout.ts";
import type { FunctionView } from "../../protocol/views.ts";
import type { FunctionTally } from "./tally.ts";
import type { TrafficCounts } from "./traffic.ts";

export interface FunctionFigures {
  readonly view: FunctionView;
  readonly tally: FunctionTally;
  readonly traffic: TrafficCounts;
  /** Its place in the configuration. */
  readonly position: number;
  /** Processor time known before: what ran last keeps its figure while nothing runs. */
  readonly cpuMsBefore: number;
}

function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

export function functionRecord(figures: FunctionFigures): FunctionStats {
  const { view, tally, traffic } = figures;
  const { suspended, snapshot, cold } = tally.wakes;
  // Copies: the histograms count on, and a record stays what it was.
  return {
    id: view.id,
    position: figures.position,
    triggerPort: view.triggerPort ?? 0,
    state: view.state,
    activity: view.activity,
    stateSinceMs: view.stateSinceMs,
    instances: view.instances.length,
    pid: view.instances[0]?.pid ?? 0,
    warmPool: view.prepared,
    openConnections: view.openConnections,
    ringCapacityBytes: sumKnown(view.instances.map(({ ring }) => ring?.capacityBytes ?? null)),
    ringUsedBytes: sumKnown(view.instances.map(({ ring }) => ring?.usedBytes ?? null)),
    ringPending: view.instances.reduce((sum, { ring }) => sum + (ring?.pending ?? 0), 0),
    memoryBytes: sumKnown(view.instances.map(({ memoryBytes }) => memoryBytes)),
    restoreBudgetMs: view.config.restoreBudgetMs,
    restoreLastMs: view.restore.lastMs,
    restoreP50Ms: view.restore.p50Ms,
    restoreP95Ms: view.restore.p95Ms,
    restoreP99Ms: view.restore.p99Ms,
    wakeLastMs: view.wake.lastMs,
    wakeP50Ms: view.wake.p50Ms,
    wakeP95Ms: view.wake.p95Ms,
    wakeP99Ms: view.wake.p99Ms,
    snapshotImage: view.snapshot?.image ?? null,
    snapshotGolden: view.snapshot?.golden === true ? 1 : 0,
    snapshotAtMs: view.snapshot?.atMs ?? null,
    snapshotBytes: view.snapshot?.sizeBytes ?? null,
    snapshotDumpMs: view.snapshot?.dumpMs ?? null,
    snapshotTrialMs: view.snapshot?.trialMs ?? null,
    wakesSuspended: suspended.count,
    wakesSnapshot: snapshot.count,
    wakesCold: cold.count,
    wakesFailed: tally.wakesFailed,
    coldStarts: view.coldStarts,
    exits: view.exits,
    violations: view.violations,
    errors: tally.errors,
    restoreCounts: [...tally.restores.counts],
    restoreSumMs: tally.restores.sumMs,
    wakeSuspendedCounts: [...suspended.counts],
    wakeSuspendedSumMs: suspended.sumMs,
    wakeSnapshotCounts: [...snapshot.counts],
    wakeSnapshotSumMs: snapshot.sumMs,
    wakeColdCounts: [...cold.counts],
    wakeColdSumMs: cold.sumMs,
    packets: traffic.packets,
    bytes: traffic.bytes,
    syns: traffic.syns,
    drops: traffic.drops,
    cpuMs: Math.max(figures.cpuMsBefore, sumKnown(view.instances.map(({ cpuMs }) => cpuMs)) ?? 0),
  };
}
