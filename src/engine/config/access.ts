/** Whether a user may execute a file or enter a folder, by the mode bits (access control lists are not read). */
import { realpathSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { dirname } from "node:path";

/** Who asks. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly name: string;
}

function stat(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null; // Missing, a loop of links, or a part that is no folder: all of them mean that it is not there.
  }
}

function mayExecute(stats: Stats, who: Identity): boolean {
  if (who.uid === 0) return stats.isDirectory() || (stats.mode & 0o111) !== 0;
  if (stats.uid === who.uid) return (stats.mode & 0o100) !== 0;
  if (stats.gid === who.gid || who.groups.includes(stats.gid)) return (stats.mode & 0o010) !== 0;
  return (stats.mode & 0o001) !== 0;
}

/** The first folder on the way to `path` that the user cannot enter. */
function closedFolder(path: string, who: Identity): string | null {
  if (who.uid === 0) return null;
  const folders: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (folder === dirname(folder)) break;
  }
  return (
    folders.find((folder) => {
      const stats = stat(folder);
      return stats !== null && !mayExecute(stats, who);
    }) ?? null
  );
}

/** What keeps `who` from executing the file, as the end of a sentence; `null` where nothing does. */
export function checkExecutable(path: string, who: Identity): string | null {
  const stats = stat(path);
  if (stats === null) return "does not exist";
  if (stats.isDirectory()) return "is a folder";
  if (!mayExecute(stats, who))
    return who.uid === 0 ? "is not executable" : `may not be executed by ${who.name}`;
  // Links are followed: the folders that count are those of the name and those of the file itself.
  const closed = closedFolder(path, who) ?? closedFolder(realpathSync(path), who);
  return closed === null ? null : `lies in ${closed}, which ${who.name} cannot enter`;
}

/** What keeps `who` from working in the folder, as the end of a sentence; `null` where nothing does. */
export function checkFolder(path: string, who: Identity): string | null {
  const stats = stat(path);
  if (stats === null) return "does not exist";
  if (!stats.isDirectory()) return "is not a folder";
  const closed = closedFolder(path, who) ?? (mayExecute(stats, who) ? null : path);
  if (closed === null) return null;
  return closed === path
    ? `cannot be entered by ${who.name}`
    : `lies in ${closed}, which ${who.name} cannot enter`;
}
