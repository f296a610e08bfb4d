/**
 * CRIU's RPC messages (images/rpc.proto of CRIU 4.2), the few fields Aether sends and reads. One message is one
 * SEQPACKET packet. Values and their reasons: facts in docs/wake-path.md.
 */
import { ProtoWriter, readProto } from "./protobuf.ts";
import type { ProtoField } from "./protobuf.ts";

const requestType = { dump: 1, restore: 2, notify: 6 } as const;
/** What CRIU says last before the restored processes run: all is in place, and it waits for an acknowledgement. */
export const lastNotification = "pre-resume";
/** manage_cgroups_mode: the sandbox is in its cgroup already. */
const CG_IGNORE = 0;
/** network_lock: otherwise iptables or nft is executed. */
const NETWORK_LOCK_SKIP = 3;

interface CommonOptions {
  /** Descriptor of the image folder in the process that made the socket, i.e. in the sandbox's init. */
  readonly imagesFd: number;
  readonly workFd: number;
  /** 1 errors, 2 warnings, 4 everything. */
  readonly logLevel: number;
  readonly logFile: string;
  readonly tcp: TcpMode;
}

/** What becomes of established connections: fail on them, close them, or keep them. */
export type TcpMode = "refuse" | "close" | "keep";

export interface DumpOptions extends CommonOptions {
  /** Process id inside the sandbox. */
  readonly pid: number;
  /** Leave the process stopped, so that the caller decides between its death and its going on. */
  readonly leaveStopped: boolean;
  readonly timeoutSeconds: number;
}

export interface RestoreOptions extends CommonOptions {
  /** What the image knows by name ("pipe:[123]") and the worker's descriptor that takes its place. */
  readonly inherit: readonly { readonly key: string; readonly fd: number }[];
  /** CRIU reports its steps and waits for an acknowledgement of each (`encodeAcknowledgement`). */
  readonly stepwise: boolean;
}

function commonFields(options: CommonOptions): ProtoWriter {
  const writer = new ProtoWriter()
    .int(1, options.imagesFd)
    .int(17, options.workFd)
    .int(9, options.logLevel)
    .string(10, options.logFile)
    .bool(24, true)
    .int(34, CG_IGNORE)
    .int(64, NETWORK_LOCK_SKIP);
  if (options.tcp === "keep") writer.bool(5, true);
  if (options.tcp === "close") writer.bool(52, true);
  return writer;
}

/** A dump request. */
export function encodeDump(options: DumpOptions): Buffer {
  const opts = commonFields(options)
    .int(2, options.pid)
    .bool(4, true) // ext_unix_sk: datagram sockets to syslog and the like
    .bool(8, true) // file_locks
    .bool(18, true) // link_remap
    .int(35, ghostLimitBytes)
    .int(45, options.timeoutSeconds)
    .bool(46, true); // tcp_skip_in_flight: half-open connections live on in the held listener
  if (options.leaveStopped) opts.bool(69, true);
  return new ProtoWriter().int(1, requestType.dump).message(2, opts).finish();
}

/** Deleted files still open go into the image up to this size; CRIU's own limit of 1 MiB is too low for temporary files. */
const ghostLimitBytes = 64 * 1024 * 1024;

/** A restore request. */
export function encodeRestore(options: RestoreOptions): Buffer {
  const opts = commonFields(options).bool(8, true).bool(4, true).bool(26, true); // rst_sibling: the tree becomes init's child
  if (options.stepwise) opts.bool(12, true); // notify_scripts
  for (const { key, fd } of options.inherit) opts.message(27, new ProtoWriter().string(1, key).int(2, fd));
  return new ProtoWriter().int(1, requestType.restore).message(2, opts).finish();
}

/** The answer to a notification: go on. */
export function encodeAcknowledgement(): Buffer {
  return new ProtoWriter().int(1, requestType.notify).bool(3, true).finish();
}

/** CRIU's answer. `message` may be set although it succeeded: judge by `success`. */
export interface CriuResponse {
  readonly success: boolean;
  /** Restore: process id inside the sandbox. */
  readonly pid: number | null;
  readonly errno: number;
  readonly message: string | null;
  /** Name of the step that it reports and waits for, as "pre-resume"; `null`: this is the final answer. */
  readonly notification: string | null;
}

const int = (fields: readonly ProtoField[], field: number): number | null => {
  const found = fields.find((entry) => entry.field === field)?.value;
  return typeof found === "bigint" ? Number(BigInt.asIntN(32, found)) : null;
};

/** Reads an answer. Throws RangeError when it is none. */
export function decodeResponse(data: Uint8Array): CriuResponse {
  const fields = readProto(data);
  const restore = fields.find((entry) => entry.field === 4)?.value;
  const message = fields.find((entry) => entry.field === 9)?.value;
  const notification = fields.find((entry) => entry.field === 5)?.value;
  return {
    success: int(fields, 2) === 1,
    pid: restore instanceof Uint8Array ? int(readProto(restore), 1) : null,
    errno: int(fields, 7) ?? 0,
    message: message instanceof Uint8Array ? message.toString() : null,
    notification: notification instanceof Uint8Array ? scriptOf(notification) : null,
  };
}

function scriptOf(notification: Uint8Array): string {
  const script = readProto(notification).find((entry) => entry.field === 1)?.value;
  return script instanceof Uint8Array ? script.toString() : "";
}
