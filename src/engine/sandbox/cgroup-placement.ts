/** Where memory is limited: in the v2 hierarchy, in v1 beside it, or nowhere. */
import { codeOf, makeCgroup, readValue, writeValue } from "./cgroup-files.ts";
import { memoryAbsent, memoryV1, memoryV2 } from "./cgroup-memory.ts";
import type { MemoryControl } from "./cgroup-memory.ts";
import type { CgroupHierarchy } from "./cgroup-mounts.ts";

export type MemoryPlacement = (
  | { readonly kind: "v2" }
  /** `root`: the engine's folder in the v1 memory hierarchy. */
  | { readonly kind: "v1"; readonly root: string }
  | { readonly kind: "none"; readonly why: string }
) & {
  /** The memory side of one function's cgroup, by its folder name. */
  readonly controlOf: (name: string) => MemoryControl;
};

/**
 * Makes what is needed above the functions' cgroups.
 * @param name of the engine's root cgroup; `root` its folder in v2
 */
export function placeMemory(name: string, root: string, hierarchy: CgroupHierarchy): MemoryPlacement {
  const { v2, v1, v2Controllers } = hierarchy;
  if (v2 !== null && v2Controllers.includes("memory")) return placeInV2(v2.path, root, v2Controllers);
  if (v1.memory === null) {
    return absent(
      "the kernel has no memory controller",
      "Boot with cgroup_enable=memory, or leave memory_limit out.",
    );
  }
  const memoryRoot = `${v1.memory.path}/${name}`;
  makeCgroup(memoryRoot);
  return { kind: "v1", root: memoryRoot, controlOf: (child) => memoryV1(`${memoryRoot}/${child}`) };
}

/** A cgroup's controllers have to be handed down level by level (cgroup-v2.rst, "Top-down Constraint"). */
function placeInV2(mount: string, root: string, controllers: readonly string[]): MemoryPlacement {
  for (const path of [mount, root]) {
    try {
      enable(path, "memory");
    } catch (error) {
      if (codeOf(error) !== "EBUSY" && codeOf(error) !== "ENOENT") throw error;
      // In a container with its own cgroup namespace its processes sit in the folder that looks like the root, and the
      // kernel hands no controller down from a cgroup with processes. They are not ours to move.
      return absent(
        `${path} cannot hand the memory controller down: processes are in it`,
        "In a container, start the engine from a cgroup below the root (systemd as its init does so), or leave memory_limit out.",
      );
    }
    if (controllers.includes("pids")) enableIfPossible(path, "pids");
  }
  return { kind: "v2", controlOf: (child) => memoryV2(`${root}/${child}`) };
}

function enable(path: string, controller: string): void {
  const file = `${path}/cgroup.subtree_control`;
  if (readValue(file)?.split(" ").includes(controller) === true) return;
  writeValue(file, `+${controller}`, `controller ${controller} cannot be enabled`);
}

/** The count of processes is for people to look at (`pids.current`); nothing depends on it. */
function enableIfPossible(path: string, controller: string): void {
  try {
    enable(path, controller);
  } catch {
    // Refused by a container's rules: everything else works without it.
  }
}

function absent(why: string, hint: string): MemoryPlacement {
  return { kind: "none", why, controlOf: () => memoryAbsent(why, hint) };
}
