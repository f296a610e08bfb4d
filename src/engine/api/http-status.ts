/** Which HTTP status an error has. */
import { errorCodes } from "../../protocol/error-codes.ts";
import type { ErrorCode } from "../../protocol/error-codes.ts";

const byCode: Partial<Record<ErrorCode, number>> = {
  AE_USAGE: 400,
  AE_UNKNOWN_FUNCTION: 404,
  AE_SNAPSHOT_NOT_FOUND: 404,
  AE_INVALID_STATE_TRANSITION: 409,
  AE_OPERATION_IN_PROGRESS: 409,
  AE_CONNECTIONS_OPEN: 409,
  AE_PAYLOAD_TOO_LARGE: 413,
  AE_INVOKE_FAILED: 502,
  AE_INVOKE_CRASHED: 502,
  AE_INVOKE_TIMEOUT: 504,
  AE_CRASH_LOOP: 429,
  AE_CRIU_UNAVAILABLE: 503,
  AE_MACHINE_NOT_READY: 503,
  AE_ENGINE_LOST: 504,
};

export function httpStatus(code: ErrorCode): number {
  return byCode[code] ?? (errorCodes[code].kind === "user" ? 422 : 500);
}
