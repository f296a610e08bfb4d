/** CLOCK_MONOTONIC, ms with fractions: one clock for all threads, and the one that BPF programs stamp with (bpf_ktime_get_ns). */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
