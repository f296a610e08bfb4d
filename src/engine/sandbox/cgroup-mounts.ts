/** Which cgroup hierarchies a machine has: read from its mount table, so that tests can show it any machine. */
import { readFileSync } from "node:fs";
import { readValue } from "./cgroup-files.ts";

export interface CgroupMount {
  readonly path: string;
  /** Mounted read-write; containers without privileges see theirs read-only. */
  readonly writable: boolean;
}

export type V1Controller = "memory" | "freezer" | "pids";

export interface CgroupMounts {
  /** The unified hierarchy: /sys/fs/cgroup, or /sys/fs/cgroup/unified beside v1 controllers. */
  readonly v2: CgroupMount | null;
  /** Controllers that live in a v1 hierarchy; such a controller is never in v2 at the same time. */
  readonly v1: Readonly<Record<V1Controller, CgroupMount | null>>;
}

export interface CgroupHierarchy extends CgroupMounts {
  /** What `cgroup.controllers` of the v2 root lists; empty on hybrid machines. */
  readonly v2Controllers: readonly string[];
}

interface Line extends CgroupMount {
  /** The folder of the file system that is mounted; other than "/" where a container sees a part. */
  readonly root: string;
  readonly type: string;
  readonly controllers: readonly string[];
}

/**
 * @param mountsText a `/proc/PID/mountinfo` (proc_pid_mountinfo(5)); /proc/mounts does not tell a bind mount of a
 * part from the whole.
 */
export function detectCgroups(mountsText: string): CgroupMounts {
  const byPath = new Map<string, Line>();
  // A later mount on the same path hides the earlier one.
  for (const line of mountsText.split("\n").map(parseLine)) if (line !== null) byPath.set(line.path, line);
  const lines = [...byPath.values()];
  const v1 = (name: V1Controller): CgroupMount | null =>
    best(lines.filter(({ type, controllers }) => type === "cgroup" && controllers.includes(name)));
  return {
    v2: best(lines.filter(({ type }) => type === "cgroup2")),
    v1: { memory: v1("memory"), freezer: v1("freezer"), pids: v1("pids") },
  };
}

/** The hierarchies of this machine, with the controllers v2 has to give. */
export function readHierarchy(mountInfoPath = "/proc/self/mountinfo"): CgroupHierarchy {
  const mounts = detectCgroups(readFileSync(mountInfoPath, "utf8"));
  const listed = mounts.v2 === null ? null : readValue(`${mounts.v2.path}/cgroup.controllers`);
  return { ...mounts, v2Controllers: listed === null ? [] : listed.split(" ").filter((name) => name !== "") };
}

/** Others mount cgroup2 too (Cilium at /run/cilium/cgroupv2): the whole tree, at the usual place, is preferred. */
function best(candidates: readonly Line[]): CgroupMount | null {
  const rank = ({ root, path, writable }: Line): number =>
    (root === "/" ? 4 : 0) + (path.startsWith("/sys/fs/cgroup") ? 2 : 0) + (writable ? 1 : 0);
  const [first] = candidates.toSorted((one, other) => rank(other) - rank(one));
  return first === undefined ? null : { path: first.path, writable: first.writable };
}

function parseLine(text: string): Line | null {
  const [left, right] = text.split(" - ", 2);
  const [, , , root, path, options] = left?.split(" ") ?? [];
  const [type, , superOptions] = right?.split(" ") ?? [];
  if (root === undefined || path === undefined || options === undefined || type === undefined) return null;
  if (type !== "cgroup" && type !== "cgroup2") return null;
  const words = superOptions?.split(",") ?? [];
  const writable = !options.split(",").includes("ro") && !words.includes("ro");
  return { path: unescapePath(path), root: unescapePath(root), type, controllers: words, writable };
}

/** Blanks in paths stand as octal numbers (getmntent(3)). */
function unescapePath(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/gu, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
