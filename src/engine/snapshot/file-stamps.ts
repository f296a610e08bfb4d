/**
 * Whether the programs and libraries of an image are untouched. CRIU can compare build ids, but opens and reads every file
 * for that, on the wake path; a stat of each costs 2 µs and notices more.
 */
import { statSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { FileStamp } from "./manifest.ts";

function statOf(path: string): BigIntStats | null {
  return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}

/** The present stamp of a file; `null` for one that is not there. */
function stampOf(path: string): FileStamp | null {
  const found = statOf(path);
  if (found === null) return null;
  return {
    path,
    inode: `${found.dev}:${found.ino}`,
    sizeBytes: String(found.size),
    modifiedNs: String(found.mtimeNs),
    changedNs: String(found.ctimeNs),
  };
}

/**
 * The stamp of a file that a function has mapped; `null` where the engine sees another file under that path (a sandbox has
 * folders of its own), or none: then only CRIU can compare.
 * @param pathOfSandbox the same file, by way of the sandbox's root
 */
export function stampAsSeen(path: string, pathOfSandbox: string): FileStamp | null {
  const seen = statOf(pathOfSandbox);
  const here = statOf(path);
  const same = seen !== null && here !== null && seen.dev === here.dev && seen.ino === here.ino;
  return same ? stampOf(path) : null;
}

/** The first file that is no longer as it was; `null` when all are. */
export function firstTouched(stamps: readonly FileStamp[]): string | null {
  for (const stamp of stamps) {
    const now = stampOf(stamp.path);
    if (
      now === null ||
      now.inode !== stamp.inode ||
      now.sizeBytes !== stamp.sizeBytes ||
      now.modifiedNs !== stamp.modifiedNs ||
      now.changedNs !== stamp.changedNs
    )
      return stamp.path;
  }
  return null;
}
