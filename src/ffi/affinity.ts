/** On which processors a thread may run (sched_setaffinity(2)). */
import { errno, lastErrno, libc, SyscallError } from "./libc.ts";

const cGetCpu = libc.func("int sched_getcpu()");
const cSetAffinity = libc.func("int sched_setaffinity(int, size_t, void*)");
const cGetAffinity = libc.func("int sched_getaffinity(int, size_t, void*)");

/** CPU_SETSIZE: the kernel refuses nothing larger than what it knows. */
const maskBytes = 128;

/** A set of processors, as the kernel has it. */
export type CpuMask = Uint8Array;

/** A mask of one processor. Throws RangeError beyond the 1,024 that a mask holds. */
export function onlyCpu(cpu: number): CpuMask {
  if (cpu < 0 || cpu >= maskBytes * 8) throw new RangeError(`no processor ${cpu}`);
  const mask = new Uint8Array(maskBytes);
  mask[cpu >> 3] = 1 << (cpu & 7);
  return mask;
}

/** Numbers of the processors in a mask. */
export function cpusOf(mask: CpuMask): number[] {
  return Array.from({ length: mask.length * 8 }, (_, cpu) => cpu).filter(
    (cpu) => ((mask[cpu >> 3] ?? 0) & (1 << (cpu & 7))) !== 0,
  );
}

/** The processor on which the calling thread runs at this moment. */
export function currentCpu(): number {
  return Number(cGetCpu());
}

/** Where a thread may run; `null` when it is gone. */
export function affinityOf(tid: number): CpuMask | null {
  const mask = new Uint8Array(maskBytes);
  if (Number(cGetAffinity(tid, maskBytes, mask)) >= 0) return mask;
  const error = lastErrno();
  if (error === errno.ESRCH) return null;
  throw new SyscallError("sched_getaffinity", error, String(tid));
}

/** Moves a thread. False: it is gone, or its cgroup allows none of these processors. */
export function setAffinity(tid: number, mask: CpuMask): boolean {
  if (Number(cSetAffinity(tid, maskBytes, mask)) >= 0) return true;
  const error = lastErrno();
  if (error === errno.ESRCH || error === errno.EINVAL) return false;
  throw new SyscallError("sched_setaffinity", error, String(tid));
}
