/** Exit codes: 0, 1 the engine failed, 2 configuration or usage, 3 the machine is not ready, 128+n signal n. */
import { constants } from "node:os";
import type { ErrorCode } from "../protocol/error-codes.ts";
import { errorCodes } from "../protocol/error-codes.ts";

export const exitCodes = { ok: 0, failure: 1, usage: 2, machine: 3 } as const;

export function exitCodeOf(code: ErrorCode): number {
  if (errorCodes[code].family === "HardValidationError") return exitCodes.usage;
  switch (code) {
    case "AE_USAGE":
    case "AE_UNKNOWN_FUNCTION":
    case "AE_PROFILE_UNREADABLE":
    case "AE_PROFILE_INVALID":
    case "AE_XSK_NO_DEVICE":
      return exitCodes.usage;
    case "AE_MACHINE_NOT_READY":
    case "AE_CRIU_UNAVAILABLE":
      return exitCodes.machine;
    default:
      return exitCodes.failure;
  }
}

export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
