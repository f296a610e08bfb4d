/**
 * The engine's cgroups: `aether-<engine>` at the root of the v2 hierarchy, `fn-<id>` below it for each function. Where
 * the memory controller is in v1 (hybrid machines), the same two levels stand there too and processes join both.
 * They stand at the root, not below the engine's own cgroup, so that the next engine finds what a killed one left.
 */
import { existsSync } from "node:fs";
import { AetherError } from "../../protocol/errors.ts";
import { functionOf } from "../lifecycle/replicas.ts";
import { idPattern } from "../../protocol/paths.ts";
import { cgroupError, makeCgroup } from "./cgroup-files.ts";
import { engineRoots, removeEngineRoots } from "./cgroup-leftovers.ts";
import { readHierarchy } from "./cgroup-mounts.ts";
import type { CgroupHierarchy } from "./cgroup-mounts.ts";
import { placeMemory } from "./cgroup-placement.ts";
import type { MemoryPlacement } from "./cgroup-placement.ts";
import { FunctionCgroup } from "./cgroup.ts";
import type { CgroupLimits } from "./cgroup.ts";

export { FunctionCgroup } from "./cgroup.ts";
export type { CgroupLimits } from "./cgroup.ts";
export { leftoverCgroups } from "./cgroup-leftovers.ts";
export type { LeftoverCgroup } from "./cgroup-leftovers.ts";

/** `fn`: the function's own. `next`: of the version that is to replace it, while it proves itself. */
export type CgroupRole = "fn" | "next";

/** After a kill the last process is gone within a few ms; a process in an uninterruptible call may never be. */
const removeTimeoutMs = 250;

export class EngineCgroups {
  /** Folder in the v2 hierarchy: BPF programs attached to it are in force for every sandbox. */
  readonly root: string;
  /** Folders of the engine in all hierarchies used, v2 first. */
  readonly paths: readonly string[];
  readonly #memory: MemoryPlacement;
  readonly #functions = new Map<string, FunctionCgroup>();

  private constructor(root: string, memory: MemoryPlacement) {
    this.root = root;
    this.#memory = memory;
    this.paths = memory.kind === "v1" ? [root, memory.root] : [root];
  }

  /**
   * Makes the engine's cgroups. What an engine of this name left behind is ended and removed first: the caller holds
   * the engine's lock.
   * @param name name of the root cgroup, `aether-<engine>`
   * @throws AetherError AE_SANDBOX_SETUP_FAILED
   */
  static create(name: string, hierarchy: CgroupHierarchy = readHierarchy()): EngineCgroups {
    checkName(name);
    if (hierarchy.v2 === null) {
      throw new AetherError("AE_SANDBOX_SETUP_FAILED", "the machine has no cgroup v2 hierarchy", {
        why: "no cgroup2 file system is mounted; functions are frozen, counted and told apart by it",
        hint: "Mount it: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified",
      });
    }
    removeEngineRoots(engineRoots(name, hierarchy), removeTimeoutMs);
    const root = `${hierarchy.v2.path}/${name}`;
    makeCgroup(root);
    try {
      return new EngineCgroups(root, placeMemory(name, root, hierarchy));
    } catch (error) {
      removeEngineRoots(engineRoots(name, hierarchy), 0);
      throw error;
    }
  }

  /** Why functions have no memory limit and no memory figure here; `null` where they have. */
  get memoryProblem(): string | null {
    return this.#memory.kind === "none" ? this.#memory.why : null;
  }

  /** The functions' cgroups by name. */
  get functions(): ReadonlyMap<string, FunctionCgroup> {
    return this.#functions;
  }

  /**
   * A new cgroup `<role>-<id>` with its counters at zero. One that is there already is emptied and removed first.
   * @throws AetherError AE_SANDBOX_SETUP_FAILED
   */
  createFunction(id: string, limits: CgroupLimits, role: CgroupRole = "fn"): FunctionCgroup {
    checkName(functionOf(id));
    const name = `${role}-${id}`;
    const paths: [string, ...string[]] = [`${this.root}/${name}`];
    if (this.#memory.kind === "v1") paths.push(`${this.#memory.root}/${name}`);
    const cgroup = new FunctionCgroup(id, paths, this.#memory.controlOf(name));
    if (paths.some((path) => existsSync(path)) && !cgroup.remove(removeTimeoutMs)) {
      throw cgroupError(
        `cgroup ${cgroup.path} cannot be made anew`,
        cgroup.path,
        new Error("a process in it does not end"),
      );
    }
    try {
      for (const path of paths) makeCgroup(path);
      cgroup.setLimits(limits);
    } catch (error) {
      cgroup.tryRemove();
      throw error;
    }
    this.#functions.set(name, cgroup);
    return cgroup;
  }

  /** Ends what still runs in it and removes it. False: a process does not end; `remove` and the next engine try again. */
  removeFunction(id: string, role: CgroupRole = "fn"): boolean {
    const name = `${role}-${id}`;
    const cgroup = this.#functions.get(name);
    this.#functions.delete(name);
    return cgroup?.remove(removeTimeoutMs) ?? true;
  }

  /** Ends everything that is left in any of them, and removes them all. False: something stays; see `leftoverCgroups`. */
  remove(): boolean {
    this.#functions.clear();
    return removeEngineRoots(this.paths, removeTimeoutMs);
  }
}

/** Names become paths: what could leave the folder is a defect of the caller, who has checked its configuration. */
function checkName(name: string): void {
  if (!idPattern.test(name)) throw new AetherError("AE_INTERNAL", `"${name}" cannot be the name of a cgroup`);
}
