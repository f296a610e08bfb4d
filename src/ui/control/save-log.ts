/** Writing what a log shows to a file. */
import { open } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import type { StoredLine } from "../store/logs.ts";

export interface SavedLog {
  readonly path: string;
  readonly lines: number;
}

/** Names that a folder may already hold: a second file in the same second gets a number. */
const maxAttempts = 100;

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "EEXIST";

function textOf({ atMs, functionId, stream, text }: StoredLine): string {
  return `${new Date(atMs).toISOString()} ${functionId} ${stream} ${text}\n`;
}

/**
 * Writes lines to a new file of the current folder, readable by its owner only (0600): output of functions may hold
 * secrets. Never follows a link and never writes over a file. What is written is as it was shown: safe to print.
 * @throws what the file system says
 */
export async function saveLog(
  name: string,
  lines: readonly StoredLine[],
  now: Date,
  folder: string = process.cwd(),
): Promise<SavedLog> {
  const stamp = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  for (let attempt = 1; ; attempt += 1) {
    const suffix = attempt === 1 ? "" : `-${attempt}`;
    const path = join(folder, `aether-${name}-${stamp}${suffix}.log`);
    try {
      await using file = await open(path, flags, 0o600);
      await file.writeFile(lines.map((item) => textOf(item)).join(""));
      return { path, lines: lines.length };
    } catch (error) {
      if (!isTaken(error) || attempt >= maxAttempts) throw error;
    }
  }
}
