/** What restores cost on this machine, and which settings of CRIU matter here: measured, not assumed. */
import { existsSync } from "node:fs";
import type { CriuSpeed } from "../../engine/snapshot/criu-speed.ts";
import { toAetherError } from "../../protocol/errors.ts";
import type { Check, CheckResult } from "./check.ts";
import { fail, ok, warn } from "./check.ts";
import { compareTimes } from "./compare-times.ts";

/** Both checks look at the same restores. */
export function restoreSpeedChecks(snapshotDir: string): readonly Check[] {
  let measured: Promise<CriuSpeed> | null = null;
  const measure = (): Promise<CriuSpeed> => (measured ??= measureHere(snapshotDir));
  const check = (name: string, judge: (speed: CriuSpeed) => CheckResult): Check => ({
    name,
    async run() {
      try {
        return judge(await measure());
      } catch (error) {
        const { what, why, hint } = toAetherError(error);
        return fail(what, why ?? "no reason was given", hint ?? "Run `npm run setup` in Aether's folder.");
      }
    },
  });
  return [
    check("criu-cache", (speed) => judgeCache(speed, existsSync("/run/criu.kdat.tmp"))),
    check("criu-fault", judgeBreakpoints),
  ];
}

async function measureHere(snapshotDir: string): Promise<CriuSpeed> {
  const { findCriu } = await import("../../engine/snapshot/criu-tools.ts");
  const { measureCriu } = await import("../../engine/snapshot/criu-speed.ts");
  const { packagePaths } = await import("../../engine/package-paths.ts");
  return await measureCriu(findCriu(packagePaths.tools), snapshotDir);
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;

/** CRIU's cache of kernel features. @param leftover a killed CRIU's half-written cache lies in /run */
export function judgeCache(speed: CriuSpeed, leftover: boolean): CheckResult {
  const { n, p50Ms, otherP50Ms } = compareTimes(speed.usual, speed.coldCache);
  const what = `a Node process is restored in ${ms(p50Ms)} with CRIU's cache of kernel features, in ${ms(otherP50Ms)} without (medians, n = ${n} each, in turn)`;
  if (speed.cacheIsKept) {
    const undone = leftover ? "; the engine removes the leftover /run/criu.kdat.tmp" : "";
    return ok(`${what}; the engine fills the cache when it starts${undone}`);
  }
  return warn(
    what,
    "CRIU does not keep the cache here, and every restore pays for it",
    "Make /run a tmpfs with room for a small file, and see that nothing removes /run/criu.kdat.",
  );
}

/** CRIU_FAULT=130. Some hypervisors make hardware breakpoints slow (checkpoint-restore/criu#2905). */
export function judgeBreakpoints(speed: CriuSpeed): CheckResult {
  const { n, p50Ms, otherP50Ms, wins, clearlyFaster } = compareTimes(speed.noBreakpoints, speed.usual);
  const what = `restored in ${ms(p50Ms)} without hardware breakpoints (CRIU_FAULT=130), in ${ms(otherP50Ms)} with them; faster without in ${wins} of ${n} pairs`;
  if (!clearlyFaster) return ok(`${what}: no clear gain, they stay in use`);
  return warn(
    what,
    "hardware breakpoints are slow on this machine, and every thread of a restored process pays for them",
    "Set `engine.breakpoints: none`; it takes effect at the next start of the engine.",
  );
}
