/** pidfds: naming a process without the race of a reused number, and taking descriptors out of it. */
import { errno, lastErrno, libc, SyscallError } from "./libc.ts";
import { Fd } from "./fd.ts";

const cSyscall = libc.func("long syscall(long, ...)");

// The numbers are the same on every architecture (asm-generic/unistd.h, all above 423).
const SYS_pidfd_send_signal = 424;
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;

/** Opens a process; `null` when it does not exist any more, as 0 says of one that was looked for. Readable once it has ended. */
export function openProcess(pid: number): Fd | null {
  if (pid === 0) return null; // To the kernel an error of ours, and of an instance the number that it has when it is gone.
  const got = Number(cSyscall(SYS_pidfd_open, "int", pid, "uint", 0));
  if (got >= 0) return new Fd(got);
  const error = lastErrno();
  if (error === errno.ESRCH) return null;
  throw new SyscallError("pidfd_open", error, String(pid));
}

/** A duplicate of a descriptor of another process (needs ptrace rights on it); `null` when process or descriptor is gone. */
export function takeDescriptor(pidfd: Fd, number: number): Fd | null {
  const got = Number(cSyscall(SYS_pidfd_getfd, "int", pidfd.number, "int", number, "uint", 0));
  if (got >= 0) return new Fd(got);
  const error = lastErrno();
  if (error === errno.ESRCH || error === errno.EBADF) return null;
  throw new SyscallError("pidfd_getfd", error);
}

/** Sends a signal; false when the process has ended. */
export function signalProcess(pidfd: Fd, signal: number): boolean {
  if (
    Number(cSyscall(SYS_pidfd_send_signal, "int", pidfd.number, "int", signal, "void*", null, "uint", 0)) >= 0
  )
    return true;
  const error = lastErrno();
  if (error === errno.ESRCH) return false;
  throw new SyscallError("pidfd_send_signal", error);
}
