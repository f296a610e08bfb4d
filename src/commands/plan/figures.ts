/** What a wake costs and what a function needs, as far as it is known: measured by the running engine, or declared. */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import { wakeTiers } from "../../protocol/states.ts";
import type { WakeTier } from "../../protocol/states.ts";
import type { WakeRecord } from "../../protocol/wakes.ts";
import type { EngineView, FunctionView } from "../../protocol/views.ts";
import { quantile } from "../../engine/lifecycle/latency-window.ts";

/** A cost with where it comes from. Never an estimate: what nobody measured or declared is `null`. */
export interface CostFigure {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** In words: "measured: 12 wakes of engine default", "declared". */
  readonly source: string;
  /** The measured times, connection seen to hand-over, ms; empty where two quantiles were declared. */
  readonly values: readonly number[];
}

export interface SizeFigure {
  readonly bytes: number;
  readonly source: string;
}

export interface FunctionFigures {
  readonly cost: Readonly<Record<WakeTier, CostFigure | null>>;
  /** Memory of the function while it runs. */
  readonly memory: SizeFigure | null;
  /** Size of its snapshot. */
  readonly image: SizeFigure | null;
  /** Memory handed back while it is suspended. */
  readonly reclaimed: SizeFigure | null;
}

/** `--cost` and `--memory`; `id` null: for every function. */
export interface Declared {
  readonly costs: readonly {
    readonly id: string | null;
    readonly tier: WakeTier;
    readonly p50Ms: number;
    readonly p99Ms: number;
  }[];
  readonly memory: readonly { readonly id: string | null; readonly bytes: number }[];
}

export interface Measured {
  readonly view: EngineView;
  readonly wakes: readonly WakeRecord[];
  readonly events: readonly EngineEvent[];
}

/** What is declared counts before what was measured: whoever writes it means it. */
export function figuresOf(
  config: Pick<FunctionConfig, "id">,
  declared: Declared,
  measured: Measured | null,
): FunctionFigures {
  const { id } = config;
  const view = measured?.view.functions.find((each) => each.id === id) ?? null;
  const of = <T extends { readonly id: string | null }>(all: readonly T[]): T | null =>
    all.findLast((each) => each.id === id) ?? all.findLast((each) => each.id === null) ?? null;
  const cost = (tier: WakeTier): CostFigure | null => {
    const said = of(declared.costs.filter((each) => each.tier === tier));
    if (said !== null) return { p50Ms: said.p50Ms, p99Ms: said.p99Ms, source: "declared", values: [] };
    return measured === null ? null : measuredCost(id, tier, measured);
  };
  const memory = of(declared.memory);
  return {
    cost: Object.fromEntries(wakeTiers.map((tier) => [tier, cost(tier)])) as FunctionFigures["cost"],
    memory: memory === null ? measuredMemory(view) : { bytes: memory.bytes, source: "declared" },
    image: imageSize(view),
    reclaimed: measured === null ? null : lastReclaimed(id, measured.events),
  };
}

function measuredCost(id: string, tier: WakeTier, { view, wakes }: Measured): CostFigure | null {
  const own = wakes.filter((wake) => wake.functionId === id && wake.tier === tier && wake.error === null);
  const values = own.map(({ totalMs }) => totalMs);
  const sorted = values.toSorted((left, right) => left - right);
  const p50Ms = quantile(sorted, 0.5);
  const p99Ms = quantile(sorted, 0.99);
  if (p50Ms === null || p99Ms === null) return null;
  const count = `${values.length} ${values.length === 1 ? "wake" : "wakes"}`;
  return {
    p50Ms,
    p99Ms,
    values,
    source: `measured: ${count} among the last ones of engine ${view.engine.name}`,
  };
}

function measuredMemory(view: FunctionView | null): SizeFigure | null {
  if (view === null || view.awakeMemoryBytes === null) return null;
  return { bytes: view.awakeMemoryBytes, source: "measured: its cgroup, when it last ran" };
}

function imageSize(view: FunctionView | null): SizeFigure | null {
  if (view === null || view.snapshot === null) return null;
  return { bytes: view.snapshot.sizeBytes, source: "its present snapshot" };
}

function lastReclaimed(id: string, events: readonly EngineEvent[]): SizeFigure | null {
  const last = events.findLast((event) => event.type === "reclaim" && event.functionId === id);
  if (last?.type !== "reclaim") return null;
  return { bytes: last.reclaimedBytes, source: "measured: when it was last suspended" };
}
