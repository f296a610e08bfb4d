/** The mount that a path lies on, by /proc/self/mountinfo (proc_pid_mountinfo(5)). */

export interface MountOf {
  /** Where it is mounted. */
  readonly path: string;
  /** As "tmpfs". */
  readonly type: string;
  /** Options of the mount and of its file system. */
  readonly options: readonly string[];
}

/** `null` where the text has none; a later line hides an earlier one at the same place. */
export function mountOf(path: string, mountInfo: string): MountOf | null {
  let found: MountOf | null = null;
  for (const line of mountInfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ", 2);
    const [, , , , place, options = ""] = left.split(" ");
    const [type, , superOptions = ""] = right.split(" ");
    if (place === undefined || type === undefined) continue;
    const at = place.replaceAll(/\\([0-7]{3})/gu, (_all, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = at === "/" || path === at || path.startsWith(`${at}/`);
    if (!holds || (found !== null && at.length < found.path.length)) continue;
    found = { path: at, type, options: [...options.split(","), ...superOptions.split(",")] };
  }
  return found;
}
