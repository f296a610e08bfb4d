/** Where the kernel can put memory that nobody uses: the table of /proc/swaps (proc(5)). */
import { readFileSync } from "node:fs";

export interface SwapArea {
  /** Device or file, blanks and the like as octal escapes. */
  readonly path: string;
  readonly kind: "partition" | "file";
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** The area with the highest one is filled first. */
  readonly priority: number;
}

/** The areas of a /proc/swaps text; its first line is a heading. */
export function activeSwap(text: string): SwapArea[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [path, kind, size, used, priority] = line.trim().split(/\s+/);
      if (path === undefined || (kind !== "partition" && kind !== "file")) return [];
      const area = { path, kind, sizeBytes: Number(size) * 1024, usedBytes: Number(used) * 1024 } as const;
      return [{ ...area, priority: Number(priority) }];
    });
}

/** A table of the kernel; "" where it has none (a kernel without swap has no /proc/swaps). */
export function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
