/**
 * `engine.json` in an engine's runtime folder: its lock, and how verbs find it. Written by src/engine/lock.ts, read by
 * src/client/find-engine.ts.
 */

export interface EngineRecord {
  readonly name: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: pid and start time together are never used twice. */
  readonly startTicks: number;
  readonly startedAtMs: number;
  readonly version: string;
  /** Absolute path; `null` for `aether run`. */
  readonly configFile: string | null;
}

/** The record in a lock file's text; `null` where it is none, as in a file that a crash cut short. */
export function parseEngineRecord(text: string): EngineRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // not JSON: not a record of ours
  }
  if (typeof value !== "object" || value === null) return null;
  const { name, pid, startTicks, startedAtMs, version, configFile } = value as Record<string, unknown>;
  if (typeof name !== "string" || typeof version !== "string") return null;
  if (!isCount(pid) || pid === 0 || !isCount(startTicks) || !isCount(startedAtMs)) return null;
  if (configFile !== null && typeof configFile !== "string") return null;
  return { name, pid, startTicks, startedAtMs, version, configFile };
}

/**
 * The start time in the text of /proc/PID/stat: field 22. The second field is the program's name in parentheses and may
 * itself hold spaces and parentheses, so counting begins behind the last one. A zombie counts as gone: `null`.
 */
export function parseStartTicks(stat: string): number | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === undefined || state === "Z" || state === "X") return null;
  const ticks = Number(fields[19]);
  return isCount(ticks) ? ticks : null;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
