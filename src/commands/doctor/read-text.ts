/** A small file of the kernel, `null` where it is not there. */
import { readFileSync } from "node:fs";

export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // that it is missing is the answer
  }
}
