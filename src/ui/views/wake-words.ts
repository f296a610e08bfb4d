/** Why a wake took as long as it did, in words. */
import type { NumberedWake, WakePhase } from "../../protocol/wakes.ts";
import { wakePhases } from "../../protocol/wakes.ts";
import { formatMs } from "../format/units.ts";

/** What happens in each part of a wake. */
export const phaseMeaning: Readonly<Record<WakePhase, string>> = {
  handshake: "the kernel has the client, the engine not yet; before the wake begins",
  queue: "other operations of the function, or other restores, come first",
  sandbox: "checks, and a sandbox where none was prepared",
  restore: "CRIU brings memory and processes back",
  resume: "restored ahead: its processes are let go",
  start: "a cold start: from the spawn until it is ready",
  thaw: "the frozen processes are let go",
  listeners: "the new listening sockets are taken over",
  handover: "the kernel hands the waiting clients to the function",
};

/** What to look at where a part dominates. */
const phaseAdvice: Readonly<Record<WakePhase, string>> = {
  handshake: "The engine's thread was busy, or the machine was.",
  queue: "Raise engine.max_parallel_restores, or spread the load: something else came first.",
  sandbox: "No sandbox was ready: warm_pool keeps more of them prepared.",
  restore: "A smaller or mapped image restores faster; `aether doctor` measures the machine.",
  resume: "The machine was busy: the restore itself had been done before.",
  start: "There was no image to restore: start: snapshot makes one ahead.",
  thaw: "Many processes or a busy machine; nothing was restored.",
  listeners: "The machine was busy while the function was already back.",
  handover: "The machine was busy while the function was already back.",
};

/** How the pages of an image come back decides what can be done about its restores. */
function restoreAdvice(image: "stock" | "mapped" | null): string {
  if (image === "stock")
    return "Its image is read page by page: `image: mapped` is faster where the allocator allows it.";
  if (image === "mapped")
    return "Its image is mapped already: what is left is the machine, which `aether doctor` measures, and its threads.";
  return phaseAdvice.restore;
}

export interface PhaseShare {
  readonly phase: WakePhase;
  readonly us: number;
  /** Of the whole wake; of a part before it, compared with the whole. */
  readonly share: number;
}

/** The parts in their order. */
export function phaseShares({
  phases,
  totalMs,
}: Pick<NumberedWake, "phases" | "totalMs">): readonly PhaseShare[] {
  const wholeUs = Math.max(1, totalMs * 1000);
  return wakePhases.flatMap((phase) => {
    const us = phases[phase];
    return us === undefined ? [] : [{ phase, us, share: us / wholeUs }];
  });
}

/** The longest part that belongs to the wake; `null` where none is known. */
export function dominating(wake: Pick<NumberedWake, "phases" | "totalMs">): PhaseShare | null {
  const own = phaseShares(wake).filter(({ phase }) => phase !== "handshake");
  return own.reduce<PhaseShare | null>(
    (most, each) => (most === null || each.us > most.us ? each : most),
    null,
  );
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Median of other wakes of the function from the same tier; `null` for fewer than three. */
export function usualMs(wake: NumberedWake, others: readonly NumberedWake[]): number | null {
  const times = others
    .filter(({ seq, tier, error }) => seq !== wake.seq && tier === wake.tier && error === null)
    .map(({ totalMs }) => totalMs)
    .toSorted((a, b) => a - b);
  return times.length < 3 ? null : (times[times.length >> 1] ?? null);
}

function verdict(wake: NumberedWake): string {
  const { restoreMs, budgetMs, overBudget, error, totalMs } = wake;
  if (error !== null) return `Failed after ${formatMs(totalMs)} with ${error}: its clients were reset.`;
  if (restoreMs === null) {
    const what = wake.tier === "cold" ? "It started cold" : "It was only thawed";
    return `${what}: nothing was restored, and the budget does not apply.`;
  }
  if (wake.ahead && !overBudget)
    return `Within its budget: it had been restored ahead, and was let go in ${formatMs(restoreMs)} of ${budgetMs} ms.`;
  if (overBudget)
    return `Over its budget: the restore took ${formatMs(restoreMs)}, ${formatMs(restoreMs - budgetMs)} more than the ${budgetMs} ms allowed.`;
  return `Within its budget: the restore took ${formatMs(restoreMs)} of ${budgetMs} ms.`;
}

/** Beyond this a wake is called slow: by how much it exceeds what is usual. */
const slowFactor = 1.5;

/**
 * Sentences: whether the budget was kept, which part dominates, how that compares, what to do where it was slow.
 * @param others wakes of the same function
 * @param image of its snapshot now
 */
export function explainWake(
  wake: NumberedWake,
  others: readonly NumberedWake[],
  image: "stock" | "mapped" | null = null,
): readonly string[] {
  const most = dominating(wake);
  const usual = usualMs(wake, others);
  const isSlow = usual !== null && wake.totalMs > usual * slowFactor;
  const parts = [verdict(wake)];
  if (most !== null) {
    const lead = most.share >= 0.5 ? `${percent(most.share)} of it was` : `The longest part was`;
    parts.push(`${lead} ${most.phase} (${formatMs(most.us / 1000)}): ${phaseMeaning[most.phase]}.`);
  }
  if (usual !== null) {
    const factor = wake.totalMs / usual;
    parts.push(
      isSlow
        ? `That is ${factor.toFixed(1)} times its usual ${formatMs(usual)}.`
        : `Its usual time from ${wake.tier} is ${formatMs(usual)}.`,
    );
  }
  if (most !== null && (isSlow || wake.overBudget))
    parts.push(most.phase === "restore" ? restoreAdvice(image) : phaseAdvice[most.phase]);
  return parts;
}
