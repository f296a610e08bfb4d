/** stats-restore, which CRIU writes into its work folder at the end of a restore. */
import { readFileSync } from "node:fs";
import type { CriuTimes } from "../lifecycle/driver.ts";
import { bytesOf, numberOf } from "./mapped/image-file.ts";
import { readProto } from "./protobuf.ts";

/** Two magic numbers and the length of the one message. */
const headBytes = 12;

/** Reads the figures of the last restore in a work folder; `null` where there are none that can be read. */
export function readRestoreStats(workDirectory: string): CriuTimes | null {
  try {
    const data = readFileSync(`${workDirectory}/stats-restore`);
    const restore = bytesOf(readProto(data.subarray(headBytes)), 2);
    if (restore === null) return null;
    const fields = readProto(restore);
    return {
      forkUs: numberOf(fields, 3) ?? 0,
      restoreUs: numberOf(fields, 4) ?? 0,
      pagesRead: numberOf(fields, 5) ?? 0,
    };
  } catch {
    return null; // Figures for people; a wake does without.
  }
}
