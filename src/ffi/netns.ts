/** Work in another network namespace. */
import { openForReading } from "./fd.ts";
import type { Fd } from "./fd.ts";
import { checked, libc } from "./libc.ts";

const cSetns = libc.func("int setns(int, int)");
const CLONE_NEWNET = 0x40000000;

/**
 * Runs `work` in the namespace of a file such as /proc/PID/ns/net. Only this thread changes over, and it is back before
 * the call returns: the work must not wait for anything.
 * @throws SyscallError
 */
export function inNetns<T>(path: string, work: () => T): T {
  using own = openForReading("/proc/thread-self/ns/net");
  using other = openForReading(path);
  enter(other, path);
  try {
    return work();
  } finally {
    enter(own, "");
  }
}

function enter(namespace: Fd, subject: string): void {
  checked(cSetns(namespace.number, CLONE_NEWNET) as number, "setns", subject);
}
