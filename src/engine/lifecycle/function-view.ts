/** A function as consoles and `ps --json` see it. */
import type { FunctionConfig, PublicFunctionConfig } from "../../protocol/config.ts";
import type { FunctionView, InstanceView, SnapshotView } from "../../protocol/views.ts";
import type { Image } from "../snapshot/image.ts";
import type { FunctionCore } from "./function-core.ts";

function publicConfig({ env, ...rest }: FunctionConfig): PublicFunctionConfig {
  return { ...rest, envNames: Object.keys(env).toSorted() };
}

function snapshotView({ manifest }: Image): SnapshotView {
  return {
    atMs: manifest.createdAtMs,
    sizeBytes: manifest.sizeBytes,
    golden: manifest.golden,
    image: manifest.image,
    imageReason: manifest.imageReason,
    dumpMs: manifest.dumpMs,
    trialMs: manifest.trialMs,
  };
}

function instanceViews(core: FunctionCore): InstanceView[] {
  if (core.instance === null) return [];
  const { id, pid } = core.instance;
  const address = core.network?.address ?? null;
  return [{ id, pid, state: core.machine.state, address, ...core.instance.stats() }];
}

/** The view of the moment. Reads the cgroup's counters, nothing else. */
export function functionView(core: FunctionCore): FunctionView {
  const instances = instanceViews(core);
  return {
    id: core.id,
    state: core.machine.state,
    activity: core.machine.activity,
    stateSinceMs: core.machine.sinceMs,
    triggerPort: core.config.triggerPort,
    instances,
    wakes: core.wakes,
    coldStarts: core.coldStarts,
    exits: core.exits,
    violations: core.violations,
    openConnections: core.idle.openConnections(core.held.ports),
    restore: core.restoreLatency.view(),
    wake: core.wakeLatency.view(),
    awakeMemoryBytes:
      core.machine.state === "Running" ? (instances[0]?.memoryBytes ?? null) : core.awakeMemoryBytes,
    snapshot: core.image === null ? null : snapshotView(core.image),
    prepared: core.driver.preparedCount,
    restoredAhead: core.driver.isRestoredAhead,
    lastError: core.lastError,
    config: publicConfig(core.config),
  };
}
