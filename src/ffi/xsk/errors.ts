/** The errors of AF_XDP sockets: one kind each, so that a caller can tell them apart without reading words. */
import { AetherError } from "../../protocol/errors.ts";
import type { ErrorCode } from "../../protocol/error-codes.ts";
import type { ErrorData, ErrorDetails } from "../../protocol/errors.ts";

/** Kind -> stable code. What is ordinary (ring empty, ring full, no free frame) is a return value, and not here. */
export const xdpErrorCodes = {
  /** Kernel, driver or machine cannot do what was asked for. */
  Unsupported: "AE_XSK_UNSUPPORTED",
  /** CAP_NET_RAW, CAP_NET_ADMIN or CAP_BPF is missing. */
  Permission: "AE_XSK_PERMISSION",
  /** Another socket has the queue, or another program the interface. */
  QueueBusy: "AE_XSK_QUEUE_BUSY",
  /** The frames do not fit: locked memory, huge pages, or 4 GiB. */
  UmemTooLarge: "AE_XSK_UMEM_TOO_LARGE",
  /** A number or combination that cannot work. */
  InvalidConfig: "AE_XSK_INVALID_CONFIG",
  /** No interface of that name, or no queue of that number. */
  NoDevice: "AE_XSK_NO_DEVICE",
  /** The interface was removed or taken down while in use. */
  DeviceGone: "AE_XSK_DEVICE_GONE",
  /** A packet was used after its callback, its release or its sending. */
  StalePacket: "AE_XSK_STALE_PACKET",
  /** The socket was used after it was closed or handed over. */
  Closed: "AE_XSK_CLOSED",
  /** The callback, or the worker it ran in, failed. */
  CallbackFailed: "AE_XSK_CALLBACK_FAILED",
  /** Rings or frames hold what their rules forbid. */
  Corrupted: "AE_XSK_CORRUPTED",
} as const satisfies Record<string, ErrorCode>;

export type XdpErrorKind = keyof typeof xdpErrorCodes;

/** An error of this library. `kind` of AetherError says whose fault it is; `problem` says what it is. */
export class XdpSocketError extends AetherError {
  readonly problem: XdpErrorKind;

  constructor(problem: XdpErrorKind, what: string, details: ErrorDetails = {}) {
    super(xdpErrorCodes[problem], what, details);
    this.problem = problem;
  }
}

/** The kind of any error, also of one that crossed a thread as data; null when it is none of this library. */
export function xdpErrorKind(error: { readonly code: string }): XdpErrorKind | null {
  for (const [kind, code] of Object.entries(xdpErrorCodes)) {
    if (code === error.code) return kind as XdpErrorKind;
  }
  return null;
}

/** An error that crossed a thread as data, as the class it was. */
export function errorFromData(data: ErrorData): AetherError {
  const kind = xdpErrorKind(data);
  if (kind === null) return AetherError.from(data);
  const error = new XdpSocketError(kind, data.what, {
    data: data.data,
    ...(data.why === null ? {} : { why: data.why }),
    ...(data.hint === null ? {} : { hint: data.hint }),
  });
  if (data.stack !== null) error.stack = data.stack;
  return error;
}
