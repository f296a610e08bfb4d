/** How invocations fail, in words of ours. */
import { AetherError } from "../../protocol/errors.ts";

/** An invocation whose time limit ran out. */
export function invokeTimeout(functionId: string, timeoutMs: number): AetherError {
  return new AetherError("AE_INVOKE_TIMEOUT", `${functionId}: no result within ${timeoutMs} ms`, {
    why: "the handler was still at work when the time limit ran out",
    hint: "Raise the time limit (`timeout` of the function's handler, `--timeout` of this invocation).",
    data: { function: functionId, timeoutMs },
  });
}

/** What a handler said of its own failure. `timeoutMs` is the limit that it was given. */
export function handlerFailure(functionId: string, body: Uint8Array, timeoutMs: number): AetherError {
  const facts = readFailure(body);
  if (facts.errorType === "TimeLimit") return invokeTimeout(functionId, timeoutMs);
  return new AetherError("AE_INVOKE_FAILED", `${functionId}: the handler failed`, {
    why: `${facts.errorType}: ${facts.errorMessage}`,
    hint: `Its log has the details: \`aether logs ${functionId}\`.`,
    data: { function: functionId, errorType: facts.errorType, stackTrace: facts.stackTrace },
  });
}

/** What a handler says of its failure; hostile text, shortened. */
function readFailure(body: Uint8Array): {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stackTrace: readonly string[];
} {
  let parsed: unknown = null;
  try {
    parsed = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    // Below it counts as a failure without a description.
  }
  const fields = typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
  const text = (name: string, fallback: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value.slice(0, 2_000) : fallback;
  };
  const trace = Array.isArray(fields["stackTrace"]) ? fields["stackTrace"] : [];
  return {
    errorType: text("errorType", "Error"),
    errorMessage: text("errorMessage", "no description"),
    stackTrace: trace
      .filter((line): line is string => typeof line === "string")
      .slice(0, 20)
      .map((line) => line.slice(0, 500)),
  };
}

/** The caller does not wait any more. */
export function invokeAborted(functionId: string): AetherError {
  return new AetherError("AE_INVOKE_ABORTED", `${functionId}: the invocation was given up`, {
    why: "its caller does not wait for the result any more",
    data: { function: functionId },
  });
}
