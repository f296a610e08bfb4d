/** The replay and the figures together: what the idle settings cost and what they save. */
import { mixedQuantile } from "../../engine/plan/quantiles.ts";
import type { FunctionPlan, ReplayResult } from "../../engine/plan/replay.ts";
import { wakeTiers } from "../../protocol/states.ts";
import type { WakeTier } from "../../protocol/states.ts";
import type { CostFigure, FunctionFigures, SizeFigure } from "./figures.ts";

export interface WakeCost {
  readonly wakes: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Where the times come from; "unknown" where nobody measured or declared them. */
  readonly source: string;
}

export interface MemorySaved {
  /** Average over the whole profile, against a function that always runs. `null`: not known. */
  readonly averageBytes: number | null;
  readonly byteHours: number | null;
  readonly running: SizeFigure | null;
  /** What snapshots of it take meanwhile; subtracted. */
  readonly image: SizeFigure | null;
  readonly reclaimed: SizeFigure | null;
}

export interface FunctionReport extends FunctionPlan {
  readonly cost: Readonly<Record<WakeTier, WakeCost>> & { readonly all: WakeCost };
  readonly saved: MemorySaved;
}

/** `plan --json`: a contract with scripts. */
export interface PlanReport {
  readonly profile: string;
  readonly config: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly lines: number;
  readonly undeclared: Readonly<Record<string, number>>;
  readonly functions: readonly FunctionReport[];
  readonly saved: Pick<MemorySaved, "averageBytes" | "byteHours">;
}

const hourMs = 3_600_000;
const mixed = "of all its wakes together, each tier by its share";

export function planReport(
  names: { readonly profile: string; readonly config: string },
  result: ReplayResult,
  figures: (id: string) => FunctionFigures,
): PlanReport {
  const spanMs = result.toMs - result.fromMs;
  const functions = result.functions.map((plan): FunctionReport => {
    const known = figures(plan.id);
    return { ...plan, cost: costOf(plan, known), saved: savedBy(plan, known, spanMs) };
  });
  const sum = (pick: (saved: MemorySaved) => number | null): number | null => {
    const values = functions.map(({ saved }) => pick(saved));
    return values.includes(null) ? null : values.reduce<number>((total, value) => total + (value ?? 0), 0);
  };
  const { fromMs, toMs, lines, undeclared } = result;
  const saved = { averageBytes: sum((each) => each.averageBytes), byteHours: sum((each) => each.byteHours) };
  return { ...names, fromMs, toMs, lines, undeclared, functions, saved };
}

function costOf(plan: FunctionPlan, { cost }: FunctionFigures): FunctionReport["cost"] {
  const one = (tier: WakeTier): WakeCost => wakeCost(plan.wakes[tier], cost[tier]);
  const used = wakeTiers.filter((tier) => plan.wakes[tier] > 0);
  const [only] = used;
  return {
    suspended: one("suspended"),
    snapshot: one("snapshot"),
    cold: one("cold"),
    all: used.length === 1 && only !== undefined ? one(only) : together(plan, cost, used),
  };
}

function wakeCost(wakes: number, figure: CostFigure | null): WakeCost {
  if (figure === null) return { wakes, p50Ms: null, p99Ms: null, source: "unknown" };
  return { wakes, p50Ms: figure.p50Ms, p99Ms: figure.p99Ms, source: figure.source };
}

/** Of declared quantiles no quantile of the whole can be made: that is unknown then. */
function together(plan: FunctionPlan, cost: FunctionFigures["cost"], used: readonly WakeTier[]): WakeCost {
  const shares = used.map((tier) => ({ values: cost[tier]?.values ?? [], weight: plan.wakes[tier] }));
  const p50Ms = mixedQuantile(shares, 0.5);
  const wakes = shares.reduce((sum, { weight }) => sum + weight, 0);
  return { wakes, p50Ms, p99Ms: mixedQuantile(shares, 0.99), source: p50Ms === null ? "unknown" : mixed };
}

function savedBy(plan: FunctionPlan, known: FunctionFigures, spanMs: number): MemorySaved {
  const { memory, image, reclaimed } = known;
  const { snapshot, uninitialized, suspended } = plan.timeMs;
  // A snapshot of unknown size in memory-backed storage saves an unknown amount.
  const unknown = memory === null || (snapshot > 0 && image === null);
  const byteMs = unknown
    ? null
    : memory.bytes * (snapshot + uninitialized) -
      (image?.bytes ?? 0) * snapshot +
      (reclaimed?.bytes ?? 0) * suspended;
  return {
    averageBytes: byteMs === null ? null : spanMs === 0 ? 0 : byteMs / spanMs,
    byteHours: byteMs === null ? null : byteMs / hourMs,
    running: memory,
    image,
    reclaimed,
  };
}
