/** What the reactor stands on, made in order and undone when the next part cannot be made: nothing of a failed start is left. */
import { mkdirSync, rmdirSync } from "node:fs";
import { Epoll } from "../../ffi/epoll.ts";
import type { EngineConfig } from "../../protocol/config.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import { DataPlane } from "../dataplane/data-plane.ts";
import { monotonicMs } from "../monotonic.ts";
import { EngineCgroups } from "../sandbox/cgroups.ts";
import { ImageThread } from "../snapshot/image-thread.ts";
import { draftOf, StatsRegion } from "../stats/stats-region.ts";
import { PortPrograms } from "../wake/port-programs.ts";
import type { ReactorStart } from "./reactor-messages.ts";
import { RunningLauncher } from "./running-launcher.ts";

export interface ReactorParts {
  readonly epoll: Epoll;
  readonly cgroups: EngineCgroups;
  readonly ports: PortPrograms;
  readonly region: StatsRegion;
  readonly plane: DataPlane | null;
  readonly launcher: RunningLauncher;
  readonly images: ImageThread;
}

/** What they tell of themselves. */
export interface PartsNews {
  /** Something went wrong, and the engine goes on. */
  readonly emit: (event: EventBody) => void;
  /** It cannot go on. */
  readonly failed: (error: AetherError) => void;
}

/**
 * Makes them all: launcher, cgroups and kernel programs. The parts are pushed onto `cleanup`, for a start that fails later.
 * @throws AetherError AE_MACHINE_NOT_READY, AE_SANDBOX_SETUP_FAILED, and of the family EbpfError where a data plane is required
 */
export async function makeParts(
  start: ReactorStart,
  news: PartsNews,
  cleanup: AsyncDisposableStack,
): Promise<ReactorParts> {
  const report = (error: unknown): void =>
    news.emit({ type: "error", functionId: null, error: toAetherError(error).toJSON() });
  const epoll = cleanup.use(new Epoll(report));
  for (const path of [start.snapshotRoot, start.tmpRoot]) mkdirSync(path, { recursive: true, mode: 0o700 });
  cleanup.defer(() => removeEmpty(start.snapshotRoot));
  const cgroups = cleanup.adopt(EngineCgroups.create(start.cgroupName), (made) => void made.remove());
  requireMemoryFigures(start.engine, cgroups);
  const ports = cleanup.use(PortPrograms.load(start.bpfDirectory, cgroups.root));
  const region = cleanup.use(openRegion(start));
  const plane = attachDataPlane(start, epoll, report);
  if (plane !== null) cleanup.use(plane);
  const { runtimeDir, stats, programsDirectory } = start;
  const launcher = cleanup.use(
    await RunningLauncher.start({
      epoll,
      programsDirectory,
      undo: {
        cgroups: cgroups.paths,
        files: [`${runtimeDir}/control.sock`, stats.file, draftOf(stats.file)],
        sysctls: [],
      },
      onLost: report,
      onFailed: (error) => news.failed(toAetherError(error)),
    }),
  );
  const images = cleanup.use(new ImageThread());
  return { epoll, cgroups, ports, region, plane, launcher, images };
}

/** A start that fails leaves no folder behind; one with images of an earlier engine stays. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty.
  }
}

/** The data plane as it was declared. @throws AetherError of the family EbpfError, where it is required */
function attachDataPlane(
  { engine, bpfDirectory }: ReactorStart,
  epoll: Epoll,
  report: (error: unknown) => void,
): DataPlane | null {
  const config = engine.dataPlane;
  if (config === null) return null;
  try {
    return new DataPlane({ config, bpfDirectory, epoll });
  } catch (error) {
    if (config.required) throw error;
    report(error);
    return null;
  }
}

/**
 * A budget of what nobody counts would be a promise without meaning.
 * @throws AetherError AE_MACHINE_NOT_READY
 */
export function requireMemoryFigures(engine: EngineConfig, cgroups: EngineCgroups): void {
  if (engine.memoryBudgetBytes === null || cgroups.memoryProblem === null) return;
  throw new AetherError("AE_MACHINE_NOT_READY", "engine.memory_budget cannot be kept", {
    why: cgroups.memoryProblem,
    hint: "Boot with cgroup_enable=memory, or leave memory_budget out.",
  });
}

/** The stats region with its first pulse: whoever opens the file sees an engine that lives. */
function openRegion({ stats, functions }: ReactorStart): StatsRegion {
  return new StatsRegion(stats.file, stats.identity, {
    heartbeatMs: monotonicMs(),
    beats: 0,
    phase: "starting",
    readyCount: 0,
    functionCount: functions.length,
    memoryBytes: 0,
    cpuMs: 0,
  });
}
