/** Whether one way is clearly faster than another, by times that were taken in turn. */
import { quantile } from "../../engine/lifecycle/latency-window.ts";

export interface Comparison {
  readonly n: number;
  readonly p50Ms: number;
  readonly otherP50Ms: number;
  /** Pairs in which the first way was the faster one. */
  readonly wins: number;
  /** The first way is faster by a tenth of the median, and in four of five pairs: noise does not look like that. */
  readonly clearlyFaster: boolean;
}

const leastGain = 0.1;
const leastWins = 0.8;

/** @param times of the first way. @param others of the second; the n-th of both were taken one after the other */
export function compareTimes(times: readonly number[], others: readonly number[]): Comparison {
  const n = Math.min(times.length, others.length);
  const median = (all: readonly number[]): number =>
    quantile(
      all.slice(0, n).toSorted((left, right) => left - right),
      0.5,
    ) ?? 0;
  const wins = times.slice(0, n).filter((ms, index) => ms < (others[index] ?? 0)).length;
  const p50Ms = median(times);
  const otherP50Ms = median(others);
  const clearlyFaster = n > 0 && p50Ms <= otherP50Ms * (1 - leastGain) && wins >= n * leastWins;
  return { n, p50Ms, otherP50Ms, wins, clearlyFaster };
}
