/** What a failed request to the control socket means. */
import { errorCodes } from "../protocol/error-codes.ts";
import { AetherError, isAetherError } from "../protocol/errors.ts";
import type { ErrorData } from "../protocol/errors.ts";

/** No engine listens under this name. */
export function notRunning(name: string, cause?: unknown): AetherError {
  const option = name === "default" ? "" : ` --engine ${name}`;
  return new AetherError("AE_ENGINE_NOT_RUNNING", `no engine "${name}" is running`, {
    hint: `Start one with \`aether${option} up\`, or open the console with \`aether${option}\`.`,
    data: { name },
    cause,
  });
}

export function engineLost(name: string, why: string, cause?: unknown): AetherError {
  return new AetherError("AE_ENGINE_LOST", `lost the engine "${name}"`, {
    why,
    hint: `\`aether --engine ${name} ps\` shows whether it still runs; its log tells why it ended.`,
    data: { name },
    cause,
  });
}

/** A failure of the connection itself. */
export function connectionError(name: string, cause: unknown): AetherError {
  if (isAetherError(cause)) return cause;
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  switch (code) {
    case "ENOENT":
    case "ECONNREFUSED":
    case "ENOTDIR":
      return notRunning(name, cause);
    case "EACCES":
    case "EPERM":
      return new AetherError("AE_UNIX_SOCKET", `may not open the control socket of the engine "${name}"`, {
        why: "permission denied",
        hint: "The socket belongs to root: run this as root, for example with sudo.",
        data: { name },
        cause,
      });
    default:
      return engineLost(name, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The error in the body of a 4xx or 5xx answer. */
export function answeredError(name: string, status: number, body: string): AetherError {
  try {
    const { error } = JSON.parse(body) as { error?: ErrorData };
    if (error !== undefined && Object.hasOwn(errorCodes, error.code)) return AetherError.from(error);
  } catch {
    // not JSON: told below
  }
  return new AetherError("AE_ENGINE_LOST", `the engine "${name}" answered ${status} without saying why`, {
    why: body.slice(0, 200),
    hint: "Engine and `aether` may be of different versions; restart the engine.",
  });
}
