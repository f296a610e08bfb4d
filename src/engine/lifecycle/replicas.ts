/**
 * A function with several instances (`instances`): each instance has a life of its own, with a port in a network of its
 * own, and sleeps and wakes by its own clients. Outside they are one function.
 */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { InstanceState } from "../../protocol/states.ts";
import type { FunctionView, LatencyView } from "../../protocol/views.ts";

/** In no id that a person writes (protocol/paths.ts). */
const separator = "~";

/** Ids of a function's instances: its own, then `web~2`, `web~3`; folders, cgroups and logs have them too. */
export function replicaIds({ id, instances }: Pick<FunctionConfig, "id" | "instances">): string[] {
  return Array.from({ length: instances }, (_, index) =>
    index === 0 ? id : `${id}${separator}${index + 1}`,
  );
}

/** The function of an instance. */
export function functionOf(replicaId: string): string {
  return replicaId.split(separator, 1)[0] ?? replicaId;
}

/** What is awake counts for the whole. */
const stateOrder = [
  "Running",
  "Suspended",
  "WarmSnapshot",
  "Uninitialized",
] as const satisfies readonly InstanceState[];

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : sum(known);
}

const largest = (values: readonly (number | null)[]): number | null =>
  values.reduce((most, value) => (value === null || (most !== null && most > value) ? most : value), null);

/** Quantiles of the instance that did most; how many of all. */
function mergeLatencies(views: readonly LatencyView[]): LatencyView {
  const busiest = views.reduce((most, view) => (view.count > most.count ? view : most));
  return {
    ...busiest,
    p99Ms: largest(views.map(({ p99Ms }) => p99Ms)),
    count: sum(views.map(({ count }) => count)),
  };
}

/** One view of all of a function's instances. At least one is given. */
export function mergeViews(views: readonly FunctionView[]): FunctionView {
  const [first] = views;
  if (first === undefined) throw new RangeError("a function without instances has no view");
  if (views.length === 1) return first;
  const state = stateOrder.find((each) => views.some((view) => view.state === each)) ?? first.state;
  const total = (of: (view: FunctionView) => number): number => sum(views.map(of));
  const snapshots = views.flatMap(({ snapshot }) => snapshot ?? []);
  const latest = snapshots.toSorted((left, right) => right.atMs - left.atMs)[0] ?? null;
  return {
    ...first,
    state,
    activity: views.find(({ activity }) => activity !== null)?.activity ?? null,
    stateSinceMs: Math.max(...views.filter((view) => view.state === state).map((view) => view.stateSinceMs)),
    instances: views.flatMap(({ instances }) => instances),
    wakes: total(({ wakes }) => wakes),
    coldStarts: total(({ coldStarts }) => coldStarts),
    exits: total(({ exits }) => exits),
    violations: total(({ violations }) => violations),
    openConnections: total(({ openConnections }) => openConnections),
    restore: mergeLatencies(views.map(({ restore }) => restore)),
    wake: mergeLatencies(views.map(({ wake }) => wake)),
    snapshot:
      latest === null ? null : { ...latest, sizeBytes: sum(snapshots.map(({ sizeBytes }) => sizeBytes)) },
    prepared: total(({ prepared }) => prepared),
    restoredAhead: views.some(({ restoredAhead }) => restoredAhead),
    awakeMemoryBytes: sumKnown(views.map(({ awakeMemoryBytes }) => awakeMemoryBytes)),
    lastError: views.find(({ lastError }) => lastError !== null)?.lastError ?? null,
  };
}
