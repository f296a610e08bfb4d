/** The C library through koffi, and how a failed call is reported. Every other file of this folder builds on it. */
import { constants } from "node:os";
import koffi from "koffi";

/** The process's own C library. */
export const libc = koffi.load("libc.so.6");

const errnoNames = new Map<number, string>(
  Object.entries(constants.errno).map(([name, value]) => [value, name]),
);

/** Numbers of the errors that callers tell apart (asm-generic/errno.h; equal on x86_64 and aarch64). */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ENOSPC: 28,
  EPIPE: 32,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
  EINPROGRESS: 115,
} as const;

/** Name of an error number, as "ENOENT". */
export function errnoName(value: number): string {
  return errnoNames.get(value) ?? `errno ${value}`;
}

/** A system call that failed. `code` is the name of its errno. */
export class SyscallError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, value: number, subject = "") {
    const code = errnoName(value);
    super(`${syscall}${subject === "" ? "" : `(${subject})`}: ${code}`);
    this.name = "SyscallError";
    this.errno = value;
    this.code = code;
    this.syscall = syscall;
  }
}

/** errno of the call just made; read it before anything else calls into C (it is stale after a success). */
export function lastErrno(): number {
  return koffi.errno();
}

/** Passes a result through, or throws SyscallError for a negative one. */
export function checked(result: number, syscall: string, subject = ""): number {
  if (result < 0) throw new SyscallError(syscall, koffi.errno(), subject);
  return result;
}
