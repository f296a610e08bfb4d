/** A stats region as an engine would fill it, for tests of what reads one. */
import { FunctionTally } from "../../src/engine/stats/tally.ts";
import { functionRecord } from "../../src/engine/stats/function-record.ts";
import { StatsRegion } from "../../src/engine/stats/stats-region.ts";
import type { Pulse } from "../../src/engine/stats/stats-region.ts";
import { processStartTicks } from "../../src/protocol/process-start.ts";
import type { FunctionStats } from "../../src/protocol/stats-layout.ts";
import type { EventBody } from "../../src/protocol/events.ts";
import type { WakeTier } from "../../src/protocol/states.ts";
import type { FunctionView } from "../../src/protocol/views.ts";
import type { TrafficCounts } from "../../src/engine/stats/traffic.ts";

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export function pulseNow(change: Partial<Pulse> = {}): Pulse {
  return {
    heartbeatMs: monotonicMs(),
    beats: 1,
    phase: "running",
    readyCount: 0,
    functionCount: 0,
    memoryBytes: 90_000_000,
    cpuMs: 1_500,
    ...change,
  };
}

/** A region of this process. */
export function testRegion(path: string, name = "test", pulse: Pulse = pulseNow()): StatsRegion {
  const identity = {
    name,
    pid: process.pid,
    startTicks: processStartTicks(process.pid) ?? 0,
    startedAtMs: 1000,
    version: "0.1.0",
    criuVersion: "4.2.1",
    hostChanges: "net.ipv4.tcp_migrate_req 0 -> 1",
  };
  return new StatsRegion(path, identity, pulse);
}

/** A wake as the lifecycle reports it. */
export function wakeEvent(
  tier: WakeTier,
  restoreMs: number | null,
  totalMs: number,
): Extract<EventBody, { readonly type: "wake" }> {
  return {
    type: "wake",
    functionId: "hello",
    instance: "i1",
    tier,
    cause: "connection",
    seenAtMs: 1000,
    phases: {},
    restoreMs,
    totalMs,
    budgetMs: 15,
    ahead: false,
    overBudget: false,
    criu: null,
    error: null,
  };
}

const quiet: TrafficCounts = { packets: 0, bytes: 0, syns: 0, drops: 0 };

export function recordOf(
  view: FunctionView,
  change: Partial<FunctionStats> = {},
  tally = new FunctionTally(),
): FunctionStats {
  const figures = { view, tally, traffic: quiet, position: 0, cpuMsBefore: 0 };
  return { ...functionRecord(figures), ...change };
}
