/** How the kernel schedules a thread (sched(7)). */
import { checked, libc } from "./libc.ts";

const cSetScheduler = libc.func("int sched_setscheduler(int, int, const void*)");

/** linux/sched.h */
const SCHED_OTHER = 0;
const SCHED_BATCH = 3;

/**
 * A thread gives way: when it is woken it does not take the processor from whoever runs there. It gets its full share all
 * the same. Threads and processes that it makes from then on inherit this: SCHED_RESET_ON_FORK is for real-time policies alone.
 * Throws SyscallError.
 * @param tid 0: the calling thread; a process id: its first thread
 */
export function giveWay(tid = 0): void {
  setPolicy(tid, SCHED_BATCH);
}

/** The calling thread is scheduled as usual again, and so is what it makes. Throws SyscallError. */
export function scheduleAsUsual(): void {
  setPolicy(0, SCHED_OTHER);
}

function setPolicy(tid: number, policy: number): void {
  checked(cSetScheduler(tid, policy, new Int32Array([0])) as number, "sched_setscheduler");
}
