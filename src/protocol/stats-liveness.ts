/** Whether the engine behind a stats region lives: an idle engine beats, a dead one does not. */
import { heartbeatIntervalMs } from "./stats-layout.ts";
import type { StatsSnapshot } from "./stats-reader.ts";
import { processStartTicks } from "./process-start.ts";

/**
 * `live`: it beats, idle or busy. `silent`: its process is there and has not beaten for some time (stopped, or stuck).
 * `dead`: its process is gone. `ended`: it left in order.
 */
export type Liveness = "live" | "silent" | "dead" | "ended";

/** On a busy machine a beat may be late; twenty in a row are not. */
export const silentAfterMs = 20 * heartbeatIntervalMs;

/** Age of the last beat, ms. CLOCK_MONOTONIC is the same for every process of a machine. */
export function heartbeatAgeMs({ pulse }: StatsSnapshot, monotonicMs: number): number {
  return Math.max(0, monotonicMs - pulse.heartbeatMs);
}

export function livenessOf(snapshot: StatsSnapshot, monotonicMs: number): Liveness {
  const { header, pulse } = snapshot;
  if (pulse.ended === 1) return "ended";
  if (processStartTicks(header.pid) !== header.startTicks) return "dead";
  return heartbeatAgeMs(snapshot, monotonicMs) > silentAfterMs ? "silent" : "live";
}
