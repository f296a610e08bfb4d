/** Where images lie, and the program that makes them. */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, realpathSync, statfsSync } from "node:fs";
import { promisify } from "node:util";
import { packagePaths } from "../../engine/package-paths.ts";
import { formatBytes } from "../../ui/format/units.ts";
import type { Check, CheckResult } from "./check.ts";
import { fail, ok, warn } from "./check.ts";
import { mountOf } from "./mounts.ts";
import type { MountOf } from "./mounts.ts";
import { readText } from "./read-text.ts";
import { isAtLeast, parseVersion } from "./versions.ts";

const leastFreeBytes = 256 * 1024 * 1024;

export const sharedMemoryCheck: Check = {
  name: "shared-memory",
  run() {
    const path = "/dev/shm";
    if (!existsSync(path))
      return fail(
        "no /dev/shm",
        "snapshots and statistics live there",
        "Mount it: mount -t tmpfs tmpfs /dev/shm",
      );
    const mount = (readText("/proc/self/mounts") ?? "")
      .split("\n")
      .map((line) => line.split(" "))
      .findLast((fields) => fields[1] === path);
    const { bsize, blocks, bavail } = statfsSync(path);
    const what = `${path}: ${formatBytes(bsize * bavail)} free of ${formatBytes(bsize * blocks)}, ${mount?.[2] ?? "not a mount of its own"}`;
    const grow = `Make it larger: mount -o remount,size=4G ${path} (in a container: --shm-size=4g), or set engine.snapshot_dir.`;
    if (bsize * bavail < leastFreeBytes)
      return warn(what, "a snapshot is as large as the memory of its function", grow);
    if (mount?.[2] !== "tmpfs")
      return warn(what, "it is not in memory, so wakes wait for a disk", "Mount a tmpfs there.");
    // noexec forbids PROT_EXEC mappings of its files, not the images' data: told because other uses break on it.
    return mount[3]?.split(",").includes("noexec") === true
      ? ok(`${what}, noexec (images need no execution)`)
      : ok(what);
  },
};

/** `directory`: `engine.snapshot_dir` of the configuration that is meant. */
export function snapshotDirCheck(directory: string): Check {
  return {
    name: "snapshot-dir",
    run(): CheckResult {
      if (!existsSync(directory))
        return fail(
          `${directory} does not exist`,
          "snapshots are written there",
          `Make it: mkdir -p ${directory}, or set engine.snapshot_dir.`,
        );
      try {
        accessSync(directory, constants.W_OK | constants.X_OK);
      } catch {
        return fail(
          `${directory} cannot be written`,
          "snapshots are written there",
          "Run it as root, or set engine.snapshot_dir.",
        );
      }
      return judgeSnapshotMount(
        directory,
        mountOf(realpathSync(directory), readText("/proc/self/mountinfo") ?? ""),
      );
    },
  };
}

/** A wake reads the image: from memory, or it waits for a disk. */
export function judgeSnapshotMount(directory: string, mount: MountOf | null): CheckResult {
  if (mount === null) return ok(directory);
  const inMemory = mount.type === "tmpfs" || mount.type === "ramfs";
  const what = `${directory} is on ${mount.type}${inMemory ? ", in memory" : ""}`;
  if (!inMemory)
    return warn(
      what,
      "a wake whose image is not in the page cache waits for the disk",
      "Leave engine.snapshot_dir at /dev/shm, or mount a tmpfs there.",
    );
  if (!mount.options.includes("noexec")) return ok(what);
  // mmap(2), EPERM: PROT_EXEC on a mount with noexec. Generated code of Node is such memory.
  return ok(`${what}, noexec: memory that holds generated code cannot be mapped from an image, and is read`);
}

/** Where set-up puts a CRIU of its own, then the distribution's. */
export function criuBinary(): string | null {
  const own = `${packagePaths.tools}/criu/bin/criu`;
  return (
    [process.env["AETHER_CRIU"], own, "/usr/sbin/criu", "/usr/local/sbin/criu", "/usr/bin/criu"].find(
      (path) => path !== undefined && existsSync(path),
    ) ?? null
  );
}

/** Presence and version; that it works on this kernel is tried by the engine's own check, with a dump and a restore. */
export const criuCheck: Check = {
  name: "criu",
  async run() {
    const path = criuBinary();
    if (path === null)
      return fail("no criu", "snapshots are made with it", "Run `npm run setup` in Aether's folder.");
    try {
      const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: 5000 });
      const version = parseVersion(stdout);
      const what = `CRIU ${version?.join(".") ?? "of unknown version"} at ${path}`;
      if (version !== null && isAtLeast(version, [4, 2])) return ok(what);
      return fail(
        what,
        "from Linux 6.13 on CRIU 4.2 or newer is needed",
        "Run `npm run setup` in Aether's folder.",
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return fail(path, `it does not run: ${why}`, "Run `npm run setup` in Aether's folder.");
    }
  },
};
