/** The proof of a fresh image: a restored copy, away from real clients, must answer, and as the function did before. */
import { SOCK_STREAM } from "../../ffi/socket.ts";
import type { InetAddress } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import { compareAnswers } from "../proof/compare-answers.ts";
import type { Difference } from "../proof/compare-answers.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import type { SandboxContext } from "./context.ts";
import { encodeRequest, probe } from "./probe.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import { descendants } from "./process-tree.ts";
import type { Sandbox } from "./sandbox.ts";

/** Restores of each fresh image. */
export const trialCount = 3;
/** A copy without a request to answer must at least live this long. */
const aliveMs = 100;
const answerDeadlineMs = 10_000;

/** The request a trial must answer: the first warm-up request, the ready path, or none. */
function trialRequest(config: FunctionConfig): ProbeRequest | null {
  const [warmup] = config.warmup;
  if (warmup !== undefined) return warmup;
  return config.ready.kind === "http"
    ? { method: "GET", path: config.ready.path, headers: {}, body: null }
    : null;
}

/** A restored copy, and how it is asked. */
export interface Trial {
  readonly context: SandboxContext;
  readonly config: FunctionConfig;
  readonly sandbox: Sandbox;
  /** Where the copy listens, inside its network namespace. */
  readonly target: InetAddress;
}

async function ask(trial: Trial, bytes: Buffer | null): Promise<Extract<ProbeResult, { ok: true }>> {
  const { context, config, sandbox, target } = trial;
  const socket = await sandbox.socket(target.family, SOCK_STREAM);
  const result = await probe(context.epoll, target, bytes, answerDeadlineMs, socket);
  if (!result.ok) throw trialError(config, `a restored copy does not answer: ${result.why}`);
  return result;
}

/**
 * Probes a restored copy: it accepts, answers its first request where there is one, and lives.
 * @throws AetherError AE_RESTORE_FAILED with reason TrialFailed
 */
export async function proveRestore(trial: Trial): Promise<void> {
  const { config, sandbox } = trial;
  const request = trialRequest(config);
  // A UDP server cannot be asked whether it is there: that it lives has to do.
  if (config.triggerPort !== null && config.protocol === "tcp") {
    const { status } = await ask(trial, request === null ? null : encodeRequest(request, config.triggerPort));
    if (request !== null && status === null)
      throw trialError(config, "a restored copy answers, but not with HTTP");
  }
  if (request === null) await new Promise((resolve) => setTimeout(resolve, aliveMs));
  if (descendants(sandbox.initPid).length === 0) throw trialError(config, "a restored copy ended at once");
}

/**
 * Sends the warm-up requests again, in their order, and compares.
 * @param before as the function answered before its snapshot
 * @throws AetherError AE_PROOF_FAILED, AE_RESTORE_FAILED with reason TrialFailed
 */
export async function proveAnswers(trial: Trial, before: readonly AnsweredRequest[]): Promise<void> {
  const { config } = trial;
  for (const { request, answer } of before) {
    const { response, cut } = await ask(trial, encodeRequest(request, config.triggerPort ?? 0));
    const difference = compareAnswers(request, answer, { bytes: response, cut });
    if (difference !== null) throw proofError(config, `${request.method} ${request.path}`, difference);
  }
}

function trialError(config: FunctionConfig, why: string): AetherError {
  return new AetherError("AE_RESTORE_FAILED", `${config.id}: its fresh snapshot does not work`, {
    why,
    hint: "The function may not survive a snapshot; `idle.snapshot_after: never` with `start: running` keeps to the suspended tier.",
    data: { function: config.id, reason: "TrialFailed" },
  });
}

function proofError(config: FunctionConfig, request: string, difference: Difference): AetherError {
  const { part, offset, expected, found } = difference;
  const where = offset === null ? part : `${part} at byte ${offset}`;
  const header = part.startsWith("header ") ? `, or name the header in its ignore_headers` : "";
  return new AetherError(
    "AE_PROOF_FAILED",
    `${config.id}: a restored copy answers ${request} otherwise than before its snapshot`,
    {
      why: `${where}: expected "${expected}", found "${found}"`,
      hint: `If its answers are meant to change, set \`compare: status\` for this warm-up request${header}.`,
      data: { function: config.id, request, part, offset, expected, found },
    },
  );
}
