/** What a figure was measured on. */
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly criu: string;
}

export function machineFacts(criuBinary: string): MachineFacts {
  const criu =
    /^Version: (\S+)$/m.exec(execFileSync(criuBinary, ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    criu,
  };
}

export interface Quantiles {
  readonly n: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest-rank quantiles, rounded to microseconds. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (q: number): number =>
    Math.round((sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN) * 1000) / 1000;
  return { n: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
