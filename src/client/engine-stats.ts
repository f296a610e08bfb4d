/** An engine's statistics, read from its shared memory: works whether the engine answers or not. */
import { setTimeout as sleep } from "node:timers/promises";
import { AetherError } from "../protocol/errors.ts";
import { enginePaths } from "../protocol/paths.ts";
import { heartbeatAgeMs, livenessOf } from "../protocol/stats-liveness.ts";
import type { Liveness } from "../protocol/stats-liveness.ts";
import { StatsReader } from "../protocol/stats-reader.ts";
import type { StatsSnapshot } from "../protocol/stats-reader.ts";
import { notRunning } from "./control-errors.ts";
import { findEngine } from "./find-engine.ts";

export interface EngineStats {
  readonly snapshot: StatsSnapshot;
  readonly liveness: Liveness;
  /** Since the engine's last beat. */
  readonly heartbeatAgeMs: number;
}

/** A writer that lost its processor in the middle of a record gets it back within this time, or is gone. */
const settleDeadlineMs = 1_000;
const settlePollMs = 5;

/** CLOCK_MONOTONIC, ms. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Opens the statistics of an engine.
 * @throws AetherError AE_ENGINE_NOT_RUNNING, AE_SHM_MAP_FAILED, AE_SHM_CORRUPTED, AE_SHM_VERSION
 */
export function openEngineStats(name: string): StatsReader {
  const reader = StatsReader.open(enginePaths(name).statsFile);
  if (reader !== null) return reader;
  if (findEngine(name) === null) throw notRunning(name);
  throw new AetherError("AE_ENGINE_NOT_RUNNING", `the engine "${name}" has no statistics yet`, {
    why: "it is just starting, or just ending",
    hint: "Try again in a moment.",
    data: { name },
  });
}

/** Reads now. @throws AetherError AE_SHM_CORRUPTED */
export function readEngineStats(reader: StatsReader): EngineStats {
  const snapshot = reader.read();
  const now = monotonicMs();
  return { snapshot, liveness: livenessOf(snapshot, now), heartbeatAgeMs: heartbeatAgeMs(snapshot, now) };
}

/**
 * Reads the statistics of an engine that lives, be it silent.
 * @throws AetherError AE_ENGINE_NOT_RUNNING for one that has ended or died, AE_SHM_CORRUPTED
 */
export async function readRunningEngine(reader: StatsReader): Promise<EngineStats> {
  const deadline = monotonicMs() + settleDeadlineMs;
  for (;;) {
    try {
      const stats = readEngineStats(reader);
      if (stats.liveness === "dead") throw died(stats);
      if (stats.liveness === "ended") throw notRunning(stats.snapshot.header.name);
      return stats;
    } catch (error) {
      const half = error instanceof AetherError && error.data["reason"] === "Unsettled";
      if (!half || monotonicMs() > deadline) throw error;
    }
    await sleep(settlePollMs);
  }
}

function died({ snapshot, heartbeatAgeMs: ageMs }: EngineStats): AetherError {
  const { name, pid } = snapshot.header;
  const { hint } = notRunning(name);
  return new AetherError("AE_ENGINE_NOT_RUNNING", `no engine "${name}" is running`, {
    why: `its process ${pid} is gone; it was last heard of ${(ageMs / 1000).toFixed(1)} s ago`,
    ...(hint === null ? {} : { hint }),
    data: { name, pid, heartbeatAgeMs: Math.round(ageMs) },
  });
}
