/** The proof of a fresh image: a restored copy, away from real clients, must answer. */
import { SOCK_STREAM } from "../../ffi/socket.ts";
import type { InetAddress } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionConfig, WarmupRequest } from "../../protocol/config.ts";
import type { SandboxContext } from "./context.ts";
import { encodeRequest, probe } from "./probe.ts";
import { descendants } from "./process-tree.ts";
import type { Sandbox } from "./sandbox.ts";

/** Restores of each fresh image. */
export const trialCount = 3;
/** A copy without a request to answer must at least live this long. */
const aliveMs = 100;
const answerDeadlineMs = 10_000;

/** The request a trial must answer: the first warm-up request, the ready path, or none. */
function trialRequest(config: FunctionConfig): WarmupRequest | null {
  const [warmup] = config.warmup;
  if (warmup !== undefined) return warmup;
  return config.ready.kind === "http"
    ? { method: "GET", path: config.ready.path, headers: {}, body: null }
    : null;
}

/**
 * Probes a restored copy from inside its network namespace.
 * @param target where the copy listens
 * @throws AetherError AE_RESTORE_FAILED with reason TrialFailed
 */
export async function proveRestore(
  context: SandboxContext,
  config: FunctionConfig,
  sandbox: Sandbox,
  target: InetAddress,
): Promise<void> {
  const request = trialRequest(config);
  // A UDP server cannot be asked whether it is there: that it lives has to do.
  if (config.triggerPort !== null && config.protocol === "tcp") {
    const bytes = request === null ? null : encodeRequest(request, config.triggerPort);
    const result = await probe(
      context.epoll,
      target,
      bytes,
      answerDeadlineMs,
      await sandbox.socket(target.family, SOCK_STREAM),
    );
    if (!result.ok) throw trialError(config, `a restored copy does not answer: ${result.why}`);
    if (request !== null && result.status === null)
      throw trialError(config, "a restored copy answers, but not with HTTP");
  }
  if (request === null) await new Promise((resolve) => setTimeout(resolve, aliveMs));
  if (descendants(sandbox.initPid).length === 0) throw trialError(config, "a restored copy ended at once");
}

function trialError(config: FunctionConfig, why: string): AetherError {
  return new AetherError("AE_RESTORE_FAILED", `${config.id}: its fresh snapshot does not work`, {
    why,
    hint: "The function may not survive a snapshot; `idle.snapshot_after: never` with `start: running` keeps to the suspended tier.",
    data: { function: config.id, reason: "TrialFailed" },
  });
}
