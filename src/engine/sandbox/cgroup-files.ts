/** The small files of a cgroup: read, written, and what a refusal means. */
import { closeSync, constants, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { AetherError, isAetherError } from "../../protocol/errors.ts";

/** The errno name of a failed file operation, as "EBUSY", also when it is reported already; "" for anything else. */
export function codeOf(error: unknown): string {
  if (isAetherError(error)) return String(error.data["errno"] ?? "");
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

const hints: Readonly<Record<string, string>> = {
  EACCES: "Run the engine as root, on a machine or in a container that may write to its cgroups.",
  EPERM: "Run the engine as root, on a machine or in a container that may write to its cgroups.",
  EROFS:
    "The cgroup file system is mounted read-only, as in a container without privileges: run it with --privileged.",
  EBUSY: "Processes are still in this cgroup, or the memory in use is above the new limit.",
  ENOSPC:
    "The machine has reached its greatest number or depth of cgroups (cgroup.max.descendants, cgroup.max.depth).",
  EAGAIN: "The machine has reached its greatest number of cgroups.",
};

/** A cgroup operation that failed, as the error the user sees. */
export function cgroupError(what: string, path: string, error: unknown, hint?: string): AetherError {
  const known = hint ?? hints[codeOf(error)];
  return new AetherError("AE_SANDBOX_SETUP_FAILED", what, {
    why: error instanceof Error ? error.message : String(error),
    ...(known === undefined ? {} : { hint: known }),
    data: { path, errno: codeOf(error) },
    cause: error,
  });
}

/** The text of a file without its last line break; `null` when there is none or it says it is gone. */
export function readValue(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch (error) {
    // ENODEV: the cgroup was removed while its file was open (kernfs).
    if (["ENOENT", "ENODEV"].includes(codeOf(error))) return null;
    throw cgroupError(`cgroup file ${path} cannot be read`, path, error);
  }
}

/** One number of a flat-keyed file: `key value` per line. `null` when file or key is missing. */
export function readKey(path: string, key: string): number | null {
  for (const line of readValue(path)?.split("\n") ?? []) {
    if (line.startsWith(`${key} `)) return Number(line.slice(key.length + 1));
  }
  return null;
}

/** A file of one number; `null` when it is missing. Limits that are not set read as Infinity. */
export function readNumber(path: string): number | null {
  const text = readValue(path);
  if (text === null) return null;
  return text === "max" ? Number.POSITIVE_INFINITY : Number(text);
}

/** Process ids of a `cgroup.procs`; those of another pid namespace read as 0 and are left out. */
export function readPids(path: string): number[] {
  const text = readValue(path) ?? "";
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Writes one value. The file is neither created nor truncated: cgroup files are neither. */
export function writeValue(path: string, value: string, what: string): void {
  try {
    const file = openSync(path, constants.O_WRONLY);
    try {
      writeSync(file, value);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw cgroupError(what, path, error);
  }
}

/** A file that is kept open, to be written again. */
export class OpenValue implements Disposable {
  readonly #path: string;
  readonly #file: number;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, constants.O_WRONLY);
    } catch (error) {
      throw cgroupError(`cgroup file ${path} cannot be opened`, path, error);
    }
  }

  /** Writes one value. That of a cgroup which is gone meanwhile is nobody's. */
  write(value: string, what: string): void {
    try {
      writeSync(this.#file, value);
    } catch (error) {
      if (codeOf(error) !== "ENODEV") throw cgroupError(what, this.#path, error);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** Makes a cgroup; one that is there already is taken as it is. Returns whether it is new. */
export function makeCgroup(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw cgroupError(`cgroup ${path} cannot be made`, path, error);
  }
}
