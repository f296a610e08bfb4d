/** Memory as functions meet it here: huge pages, and swap for what is suspended. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { activeSwap } from "../../engine/config/swaps.ts";
import { formatBytes } from "../../ui/format/units.ts";
import type { Check, CheckResult } from "./check.ts";
import { ok, warn } from "./check.ts";
import { readText } from "./read-text.ts";

const mib = 1024 ** 2;
const hugePageBytes = 2 * mib;
const touchedPages = 32;

/** Touches one byte in each of so many huge pages' worth of memory, and prints how much larger the process became. */
const script = `const before = process.memoryUsage().rss;
const buffer = Buffer.alloc(${touchedPages * hugePageBytes});
for (let at = 0; at < buffer.length; at += ${hugePageBytes}) buffer[at] = 1;
console.log(process.memoryUsage().rss - before);`;

/** The chosen word of a sysfs file such as "always [madvise] never". */
export function chosen(text: string | null): string {
  return /\[(\w+)\]/.exec(text ?? "")?.[1] ?? "not known";
}

export function judgeHugePages(setting: string, grownBytes: number): CheckResult {
  const what = `transparent huge pages: ${setting}; ${touchedPages} bytes touched, 2 MiB apart, took ${formatBytes(grownBytes)}`;
  // Small pages take 4 KiB each, and the process itself some hundred KiB.
  if (grownBytes < (touchedPages * hugePageBytes) / 2) return ok(what);
  return warn(
    what,
    "memory that is barely touched is given out 2 MiB at a time, and snapshots hold all of it",
    "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
  );
}

export const hugePagesCheck: Check = {
  name: "huge-pages",
  async run() {
    const setting = chosen(readText("/sys/kernel/mm/transparent_hugepage/enabled"));
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", script], { timeout: 10_000 });
    return judgeHugePages(setting, Math.max(0, Number(stdout)));
  },
};

export const swapCheck: Check = {
  name: "swap",
  run() {
    const areas = activeSwap(readText("/proc/swaps") ?? "");
    if (areas.length === 0) return ok("no swap: `idle.reclaim: true` would be refused");
    const words = areas.map(
      ({ path, sizeBytes, usedBytes }) =>
        `${path}, ${formatBytes(sizeBytes - usedBytes)} free of ${formatBytes(sizeBytes)}`,
    );
    return ok(`${words.join("; ")}; \`idle.reclaim: true\` can use it`);
  },
};
