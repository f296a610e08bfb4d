/** The driver's failures in words of ours. */
import { AetherError, isAetherError } from "../../protocol/errors.ts";

/** A restore that ran out of an enforced budget. */
export function violation(functionId: string, actualMs: number, limitMs: number): AetherError {
  const actual = Math.round(actualMs * 100) / 100;
  return new AetherError("AE_LATENCY_VIOLATION", `${functionId}: the restore ran out of its budget`, {
    why: `${actual} ms, and the limit is ${limitMs} ms; it was killed, and the waiting clients were reset`,
    hint: "Raise restore_budget_ms, or set `on_violation: serve` to serve late and count the violation.",
    data: { function: functionId, actualMs: actual, limitMs },
  });
}

/** A sandbox that could not be made; an error of ours stays what it is. */
export function setupError(functionId: string, error: unknown): AetherError {
  if (isAetherError(error)) return error;
  return new AetherError("AE_SANDBOX_SETUP_FAILED", `${functionId}: its sandbox could not be made`, {
    why: error instanceof Error ? error.message : String(error),
    hint: "`aether doctor` checks what sandboxes need.",
    data: { function: functionId },
    cause: error,
  });
}
