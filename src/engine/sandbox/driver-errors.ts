/** The driver's failures in words of ours. */
import type { FunctionConfig } from "../../protocol/config.ts";
import { AetherError, isAetherError } from "../../protocol/errors.ts";
import { WireError } from "./wire-channel.ts";

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

/** A program that could not be executed, as an error of ours. */
export function spawnError(config: FunctionConfig, error: unknown): AetherError {
  const wire = error instanceof WireError ? error : null;
  const hints: Record<string, string> = {
    ENOENT: "Check `command` and `cwd`; the program is looked up in PATH when the configuration is read.",
    EACCES: "Make the program executable, and its folder reachable, for the function's `user`.",
    ENOEXEC: "The file is no program of this machine, or a script without a #! line.",
  };
  return new AetherError("AE_SPAWN_FAILED", `${config.id}: ${config.program} could not be started`, {
    why: wire?.message ?? (error instanceof Error ? error.message : String(error)),
    hint: hints[wire?.code ?? ""] ?? "`aether doctor` checks what sandboxes need.",
    data: {
      function: config.id,
      program: config.program,
      step: wire?.step ?? "spawn",
      errno: wire?.code ?? null,
    },
    cause: error,
  });
}
