/** Latencies of the last steps of a kind: how many ever, the last, and quantiles over a bounded window. */
import type { LatencyView } from "../../protocol/views.ts";

const windowSize = 512;

export class LatencyWindow {
  readonly #values: number[] = [];
  #next = 0;
  #count = 0;
  #last: number | null = null;
  /** Sorting costs more than everything else here, and views are asked for far more often than values come. */
  #view: LatencyView | null = null;

  add(ms: number): void {
    this.#values[this.#next] = ms;
    this.#next = (this.#next + 1) % windowSize;
    this.#count += 1;
    this.#last = ms;
    this.#view = null;
  }

  view(): LatencyView {
    this.#view ??= this.#summary();
    return this.#view;
  }

  #summary(): LatencyView {
    const sorted = this.#values.toSorted((left, right) => left - right);
    return {
      count: this.#count,
      lastMs: this.#last,
      p50Ms: quantile(sorted, 0.5),
      p95Ms: quantile(sorted, 0.95),
      p99Ms: quantile(sorted, 0.99),
    };
  }
}

/** Nearest-rank quantile of sorted values; `null` for none. */
export function quantile(sorted: readonly number[], q: number): number | null {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
}
