/** Work in another network namespace, and new ones. */
import { Fd, openForReading } from "./fd.ts";
import { checked, libc } from "./libc.ts";

const cSetns = libc.func("int setns(int, int)");
const cUnshare = libc.func("int unshare(int)");
const CLONE_NEWNET = 0x40000000;

const ownPath = "/proc/thread-self/ns/net";

/**
 * Runs `work` in a namespace: an open one, or that of a file such as /proc/PID/ns/net. Only this thread changes over, and
 * it is back before the call returns: the work must not wait for anything.
 * @throws SyscallError
 */
export function inNetns<T>(namespace: Fd | string, work: () => T): T {
  using own = openForReading(ownPath);
  if (namespace instanceof Fd) {
    enter(namespace, "");
  } else {
    using other = openForReading(namespace);
    enter(other, namespace);
  }
  try {
    return work();
  } finally {
    enter(own, "");
  }
}

/**
 * Makes a network namespace, with a loopback that is down. It lives as long as a process or a socket is in it, or this
 * descriptor is open.
 * @throws SyscallError
 */
export function makeNetns(): Fd {
  using own = openForReading(ownPath);
  checked(cUnshare(CLONE_NEWNET) as number, "unshare", "network namespace");
  try {
    return openForReading(ownPath);
  } finally {
    enter(own, "");
  }
}

function enter(namespace: Fd, subject: string): void {
  checked(cSetns(namespace.number, CLONE_NEWNET) as number, "setns", subject);
}
