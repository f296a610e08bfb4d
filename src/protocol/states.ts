/**
 * The states of a function's instance and the steps between them (design.md, section 3).
 * The table is the only place that says which step is legal.
 */

/** Every state, in the order in which views list them. */
export const instanceStates = ["Uninitialized", "WarmSnapshot", "Suspended", "Running"] as const;
export type InstanceState = (typeof instanceStates)[number];

/** What is under way beside the state; `null` where nothing is. */
export const activities = ["starting", "dumping", "restoring", "stopping", "backoff"] as const;
export type Activity = (typeof activities)[number] | null;

/** "starting" until every function has been brought to its first state. */
export const enginePhases = ["starting", "running", "stopping"] as const;
export type EnginePhase = (typeof enginePhases)[number];

/** How deep a function slept when a wake found it; "none" means that it was not asleep at all. */
export const wakeTiers = ["suspended", "snapshot", "cold"] as const;
export type WakeTier = (typeof wakeTiers)[number];

/** Legal next states of each state. A death is not a step: the instance is gone then. */
export const legalTransitions: Readonly<Record<InstanceState, readonly InstanceState[]>> = {
  Uninitialized: ["WarmSnapshot", "Running"],
  WarmSnapshot: ["Running", "Uninitialized"],
  Running: ["Suspended", "WarmSnapshot"],
  Suspended: ["Running", "WarmSnapshot", "Uninitialized"],
};

/** Whether the table allows the step. */
export function isLegalTransition(from: InstanceState, to: InstanceState): boolean {
  return legalTransitions[from].includes(to);
}
