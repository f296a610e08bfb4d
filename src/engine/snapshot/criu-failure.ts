/** What a failure of CRIU means, in words that say what to do: the known lines of its log, translated. */
import { readFileSync } from "node:fs";
import { AetherError } from "../../protocol/errors.ts";

/** A stable name of the cause, in the error's data. */
export type CriuFailureReason =
  | "IoUring"
  | "ExternalSocket"
  | "OpenConnection"
  | "FileChanged"
  | "FileMissing"
  | "NoSpace"
  | "OutOfMemory"
  | "Privilege"
  | "KernelTooNew"
  | "Terminal"
  | "UnsupportedFile"
  | "PidInUse"
  | "Timeout"
  | "WorkerDied"
  | "Unknown";

interface KnownLine {
  readonly pattern: RegExp;
  readonly reason: CriuFailureReason;
  /** The first group of the pattern is a file. */
  readonly path?: true;
  readonly why: (match: RegExpMatchArray) => string;
  readonly hint: string;
}

/** CRIU names files from the root on, without the first slash. */
function fileOf(match: RegExpMatchArray): string {
  return `/${(match[1] ?? "").replace(/^\//, "")}`;
}

const known: readonly KnownLine[] = [
  {
    pattern: /anon_inode:\[io_uring\]/,
    reason: "IoUring",
    why: () => "the process has an io_uring instance, which CRIU cannot save",
    hint: "Aether denies io_uring_setup to functions; this ring came from elsewhere: set kernel.io_uring_disabled=2.",
  },
  {
    pattern: /File (\S+) has bad size (\d+) \(expect (\d+)\)/,
    reason: "FileChanged",
    path: true,
    why: (match) => `the file ${fileOf(match)} has ${match[2]} bytes now and had ${match[3]} in the snapshot`,
    hint: "Use `sleep: keep` for functions that write files, or close the file between requests.",
  },
  {
    pattern: /File (\S+) has bad build-ID/,
    reason: "FileChanged",
    path: true,
    why: (match) => `the program ${fileOf(match)} is another one than in the snapshot`,
    hint: "It was upgraded while the function slept. Make a new snapshot: `aether kill ID`, then `aether snapshot ID`.",
  },
  {
    pattern: /File (\S+) has bad mode/,
    reason: "FileChanged",
    path: true,
    why: (match) => `the mode of the file ${fileOf(match)} has changed since the snapshot`,
    hint: "Make a new snapshot: `aether snapshot ID`, or restart the function.",
  },
  {
    pattern: /(?:Can't open file|Can't open|can't open) (\S+)(?: on restore)?: No such file or directory/i,
    reason: "FileMissing",
    path: true,
    why: (match) => `the file ${fileOf(match)} is gone`,
    hint: "Files that a function has open must exist when it wakes.",
  },
  {
    pattern: /No space left on device|ENOSPC/,
    reason: "NoSpace",
    why: () => "no space left where snapshots are kept",
    hint: "Free memory in the snapshot folder, or set engine.snapshot_dir to a larger one.",
  },
  {
    pattern:
      /Connected TCP socket|Established TCP|established connection|has in-flight connection|in-flight connection/i,
    reason: "OpenConnection",
    why: () => "a TCP connection is open",
    hint: "Wait until it closes, or set `connections: close` or `connections: keep`.",
  },
  {
    pattern: /External socket is used|[Hh]alf of stream unix|Can't dump half|unix socket.*external/i,
    reason: "ExternalSocket",
    why: () => "the process is connected to a unix socket of another program",
    hint: "Close connections to local services (syslog, database) before sleep, in the function itself.",
  },
  {
    pattern: /Found dangling tty|tty.*(?:not supported|master|session)/i,
    reason: "Terminal",
    why: () => "the process uses a terminal",
    hint: "Start the server without a terminal.",
  },
  {
    pattern: /Unknown shit \d+ \(([^)]*)\)/,
    reason: "UnsupportedFile",
    why: (match) => `the process has a descriptor that CRIU cannot save: ${match[1]}`,
    hint: "Close it before the function is idle, or use the suspended tier only (`idle.snapshot_after: never`).",
  },
  {
    pattern: /Cannot allocate memory/,
    reason: "OutOfMemory",
    why: () => "memory ran out",
    hint: "Raise the function's memory_limit, or free memory on the machine.",
  },
  {
    pattern: /Can't fork for (\d+).*File exists|Pid (\d+) do not match/,
    reason: "PidInUse",
    why: () => "a process id of the image is taken in the sandbox",
    hint: "This is a defect in Aether; please report it.",
  },
  {
    pattern: /vDSO|vdso: |Can't get 1:\d+\(\d+\) opt/,
    reason: "KernelTooNew",
    why: () => "this CRIU does not know this kernel",
    hint: "CRIU 4.2 or newer is needed from Linux 6.13 on: `npm run setup` installs it, `aether doctor` checks it.",
  },
  {
    pattern: /CRIU ended without an answer/,
    reason: "WorkerDied",
    why: () => "CRIU was ended from outside, or crashed",
    hint: "Nothing half-done was kept; the next try uses a fresh CRIU. If it repeats, look at the kernel log.",
  },
  {
    pattern: /did not finish within (\d+) ms|Timeout reached/,
    reason: "Timeout",
    why: () => "CRIU did not finish in time",
    hint: "A process that cannot be stopped (a hung disk or network file system) cannot be saved.",
  },
  {
    pattern: /Operation not permitted/,
    reason: "Privilege",
    why: () => "a privilege is missing",
    hint: "Run Aether as root with CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_NET_ADMIN; `aether doctor` lists what is missing.",
  },
];

/** The first line of CRIU's log that reports an error, without its time stamp; `null` when there is none. */
export function firstErrorLine(log: string): string | null {
  for (const line of log.split("\n")) {
    const found = /^(?:\([\d.]+\)\s*)?(?:\s*\d+:\s*)?Error \([^)]*\): (.*)$/.exec(line.trim());
    // Said by every CRIU without CAP_SYS_RESOURCE, and harmless.
    if (found?.[1] !== undefined && !found[1].includes("rlimit: Can't setup RLIMIT_NOFILE")) return found[1];
  }
  return null;
}

/** The reason and the words for a log of CRIU and the message of its answer. */
export function explainCriuFailure(
  log: string,
  message: string | null,
): {
  readonly reason: CriuFailureReason;
  readonly why: string;
  readonly hint: string;
  readonly line: string | null;
  readonly path: string | null;
} {
  const line = firstErrorLine(log) ?? message;
  // The first error is the cause; what follows it is only where to look when the first one is not known.
  for (const text of [line ?? "", `${log}\n${message ?? ""}`]) {
    for (const entry of known) {
      const match = entry.pattern.exec(text);
      if (match === null) continue;
      const path = entry.path === true ? fileOf(match) : null;
      return { reason: entry.reason, why: entry.why(match), hint: entry.hint, line, path };
    }
  }
  return {
    reason: "Unknown",
    why: line ?? "CRIU gave no reason",
    hint: "The whole log is named in this error's data; `aether doctor` checks CRIU itself.",
    line,
    path: null,
  };
}

function readLog(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(-262_144);
  } catch {
    return ""; // No log is no second error: the answer's own message remains.
  }
}

/** A failed dump or restore as an error of ours. */
export function criuError(
  code: "AE_DUMP_FAILED" | "AE_RESTORE_FAILED",
  functionId: string,
  failure: { readonly logFile: string; readonly message: string | null },
): AetherError {
  const found = explainCriuFailure(readLog(failure.logFile), failure.message);
  const verb = code === "AE_DUMP_FAILED" ? "no snapshot could be made" : "the snapshot could not be restored";
  return new AetherError(code, `${functionId}: ${verb}`, {
    why: found.why,
    hint: found.hint,
    data: {
      function: functionId,
      reason: found.reason,
      ...(found.path === null ? {} : { path: found.path }),
      criu: found.line,
      log: failure.logFile,
    },
  });
}
