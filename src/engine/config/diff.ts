/** What a new configuration changes: the plan of a hot reload. */
import { isDeepStrictEqual } from "node:util";
import type { AetherConfig, EngineConfig, FunctionConfig } from "../../protocol/config.ts";

/** Settings that the engine reads when it needs them; every other belongs to the process or to its image. */
const liveFields: ReadonlySet<keyof FunctionConfig> = new Set([
  "idle",
  "restoreBudgetMs",
  "onViolation",
  "onRestoreFailure",
  "connections",
  "wakeOn",
  "maxConnectionsPerSecond",
  "start",
  "stopSignal",
  "stopTimeoutMs",
  "readyTimeoutMs",
  "warmPool",
  "restoreAhead",
  "proveDeploy",
]);

/** Settings of the engine that a reload can apply. */
const liveEngineFields: ReadonlySet<keyof EngineConfig> = new Set([
  "keepSnapshots",
  "restoreBudgetMs",
  "onViolation",
  "logLevel",
  "maxParallelRestores",
  "memoryBudgetBytes",
  "dataPlane", // As far as a reload changes it: its interfaces.
]);

export interface ChangedFunction {
  readonly id: string;
  readonly old: FunctionConfig;
  readonly next: FunctionConfig;
  /** Names of the fields that differ. Never their values: one may be env. */
  readonly fields: readonly (keyof FunctionConfig)[];
  /** Whether the running process and its snapshot must give way to new ones. */
  readonly needsReplacement: boolean;
}

export interface ConfigDiff {
  readonly added: readonly FunctionConfig[];
  readonly changed: readonly ChangedFunction[];
  readonly removed: readonly FunctionConfig[];
  readonly unchanged: readonly FunctionConfig[];
  readonly engine: {
    readonly fields: readonly (keyof EngineConfig)[];
    /** Those of `fields` that only a new engine can apply (name, snapshot folder). */
    readonly needRestart: readonly (keyof EngineConfig)[];
  };
}

function changedKeys<T extends object>(old: T, next: T): (keyof T)[] {
  const keys = new Set([...Object.keys(old), ...Object.keys(next)]) as Set<keyof T>;
  return [...keys].filter((key) => !isDeepStrictEqual(old[key], next[key]));
}

/** Names of the fields in which two functions differ. */
export function changedFields(old: FunctionConfig, next: FunctionConfig): (keyof FunctionConfig)[] {
  return changedKeys(old, next);
}

/** Whether the change reaches into the process or its image. */
export function needsReplacement(old: FunctionConfig, next: FunctionConfig): boolean {
  return changedFields(old, next).some((field) => !liveFields.has(field));
}

/** Compares function by function, by id; the order in the file does not matter. */
export function diffConfig(old: AetherConfig, next: AetherConfig): ConfigDiff {
  const before = new Map(old.functions.map((entry) => [entry.id, entry]));
  const after = new Map(next.functions.map((entry) => [entry.id, entry]));
  const changed: ChangedFunction[] = [];
  const unchanged: FunctionConfig[] = [];
  for (const entry of next.functions) {
    const previous = before.get(entry.id);
    if (previous === undefined) continue;
    const fields = changedFields(previous, entry);
    if (fields.length === 0) unchanged.push(entry);
    else
      changed.push({
        id: entry.id,
        old: previous,
        next: entry,
        fields,
        needsReplacement: needsReplacement(previous, entry),
      });
  }
  const engineFields = changedKeys(old.engine, next.engine);
  return {
    added: next.functions.filter((entry) => !before.has(entry.id)),
    changed,
    removed: old.functions.filter((entry) => !after.has(entry.id)),
    unchanged,
    engine: {
      fields: engineFields,
      needRestart: engineFields.filter((field) => !liveEngineFields.has(field)),
    },
  };
}
