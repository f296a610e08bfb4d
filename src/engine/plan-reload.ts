/** What a newly read configuration means for a running engine. */
import type { AetherConfig, DataPlaneConfig } from "../protocol/config.ts";
import type { FieldChange } from "../protocol/config-change.ts";
import type { ReloadResponse } from "../protocol/control.ts";
import { fieldChanges } from "./config/changes.ts";
import { diffConfig } from "./config/diff.ts";
import type { ReactorApply } from "./reactor/reactor-messages.ts";

export interface ReloadPlan {
  /** As it will be in force. */
  readonly config: AetherConfig;
  readonly change: Omit<ReactorApply, "type" | "id">;
  /** What is told of it once it is done. */
  readonly response: ReloadResponse;
  readonly changes: readonly FieldChange[];
}

export function planReload(before: AetherConfig, read: AetherConfig): ReloadPlan {
  // The name is how this engine is found, its snapshots lie where they lie, its CRIUs are started, and scrapers know the
  // address of its metrics: these stay until it is started again.
  const { name, snapshotDir, breakpoints, metrics } = before.engine;
  const dataPlane = followed(before.engine.dataPlane, read.engine.dataPlane);
  const config = { ...read, engine: { ...read.engine, name, snapshotDir, breakpoints, metrics, dataPlane } };
  const { added, changed, removed, unchanged } = diffConfig(before, config);
  const ids = (entries: readonly { readonly id: string }[]): string[] => entries.map(({ id }) => id);
  return {
    config,
    change: {
      engine: config.engine,
      added,
      replaced: changed.filter((entry) => entry.needsReplacement).map((entry) => entry.next),
      updated: changed.filter((entry) => !entry.needsReplacement).map((entry) => entry.next),
      removed: ids(removed),
      order: ids(config.functions),
    },
    response: { added: ids(added), changed: ids(changed), removed: ids(removed), unchanged: ids(unchanged) },
    changes: fieldChanges({ changed }, before.engine, read.engine, config.engine),
  };
}

/** What a reload makes of the data plane: its interfaces. Whether there is one, and its mode, are those of the start. */
function followed(now: DataPlaneConfig | null, next: DataPlaneConfig | null): DataPlaneConfig | null {
  return now === null || next === null ? now : { ...now, interfaces: next.interfaces };
}
