/** What an engine that was killed has left in the cgroup hierarchies. Only folders of its own name are looked at. */
import { existsSync } from "node:fs";
import { readKey, readPids, writeValue } from "./cgroup-files.ts";
import type { CgroupHierarchy } from "./cgroup-mounts.ts";
import { childrenOf, removeWithin } from "./cgroup-removal.ts";

export interface LeftoverCgroup {
  readonly path: string;
  /** Host process ids still in it. */
  readonly pids: readonly number[];
}

/** Where an engine's root cgroup stands, whether it exists or not; v2 first. */
export function engineRoots(name: string, hierarchy: CgroupHierarchy): string[] {
  const mounts = [hierarchy.v2, hierarchy.v1.memory];
  return mounts.flatMap((mount) => (mount === null ? [] : [`${mount.path}/${name}`]));
}

/** Cgroups of the engine `name` that exist, the functions' before their root. */
export function leftoverCgroups(name: string, hierarchy: CgroupHierarchy): LeftoverCgroup[] {
  const withChildren = (root: string): string[] =>
    existsSync(root) ? [...childrenOf(root).map((child) => `${root}/${child}`), root] : [];
  return engineRoots(name, hierarchy)
    .flatMap(withChildren)
    .map((path) => ({ path, pids: readPids(`${path}/cgroup.procs`) }));
}

/**
 * Ends every process below an engine's roots and removes them with all below; the thread waits for the last process.
 * A process joins v2 first, so that none is in a v1 cgroup alone and `cgroup.kill` reaches all.
 * @returns whether all are gone
 */
export function removeEngineRoots(roots: readonly string[], timeoutMs: number): boolean {
  for (const root of roots) {
    if (readKey(`${root}/cgroup.events`, "populated") !== 1) continue;
    writeValue(`${root}/cgroup.kill`, "1", `processes below ${root} cannot be ended`);
  }
  const end = performance.now() + timeoutMs;
  return roots.map((root) => removeWithin(root, end - performance.now())).every(Boolean);
}
