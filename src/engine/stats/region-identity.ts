/** Whose statistics a region holds. */
import type { EngineOptions } from "../engine.ts";
import type { RegionIdentity } from "./stats-region.ts";

export function regionIdentity(
  options: Pick<EngineOptions, "config" | "version" | "startedAtMs" | "startTicks" | "criu" | "hostChanges">,
): RegionIdentity {
  return {
    name: options.config.engine.name,
    pid: process.pid,
    startTicks: options.startTicks,
    startedAtMs: options.startedAtMs,
    version: options.version,
    criuVersion: options.criu.version,
    hostChanges: options.hostChanges.join("\n"),
  };
}
