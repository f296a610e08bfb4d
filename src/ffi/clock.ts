/** The kernel's tick. */
import { checked, libc } from "./libc.ts";

const cGetres = libc.func("int clock_getres(int, void*)");
const CLOCK_MONOTONIC_COARSE = 6;

/** Nanoseconds of a jiffy: coarse clocks advance with it, and so their resolution is 1/CONFIG_HZ (clock_getres(2)). */
export function jiffyNs(): number {
  const time = new BigInt64Array(2);
  checked(cGetres(CLOCK_MONOTONIC_COARSE, time) as number, "clock_getres");
  return Number(time[0] ?? 0n) * 1e9 + Number(time[1] ?? 0n);
}
