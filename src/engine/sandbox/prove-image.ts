/** The proof of a fresh image: restored several times away from real clients, timed, and asked. */
import { listensOf } from "../snapshot/image.ts";
import type { Image } from "../snapshot/image.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import type { FunctionHome } from "./function-home.ts";
import { loopbackOf } from "./probe.ts";
import { proveAnswers, proveRestore, trialCount } from "./trial.ts";

/**
 * Restores an image and sees that its copies answer (InstanceDriver.prove).
 * @returns the median of the restores, ms. @throws AetherError AE_RESTORE_FAILED, AE_PROOF_FAILED
 */
export async function proveImage(
  home: FunctionHome,
  image: Image,
  before: readonly AnsweredRequest[],
): Promise<number> {
  const durations: number[] = [];
  for (let trial = 0; trial < trialCount; trial++) {
    using prepared = await home.makePrepared(image, true);
    prepared.pipes.watch();
    const { sentAtMs, answeredAtMs, failure } = await home.restore(prepared);
    if (failure !== null) throw failure;
    // Hooks often connect to somewhere, and nothing outside answers in a trial: their failure says nothing here.
    await prepared.ring?.awake().catch(() => undefined);
    const target = loopbackOf(listensOf(image.manifest), home.config.triggerPort ?? 0);
    const parts = { context: home.context, config: home.config, sandbox: prepared.sandbox, target };
    // Every copy is the same: one is asked all, the others whether they answer at all.
    if (trial === 0) await proveAnswers(parts, before);
    if (trial > 0 || before.length === 0) await proveRestore(parts);
    durations.push(answeredAtMs - sentAtMs);
    prepared.sandbox.kill();
    await prepared.sandbox.gone;
  }
  return durations.toSorted((left, right) => left - right)[Math.floor(durations.length / 2)] ?? 0;
}
