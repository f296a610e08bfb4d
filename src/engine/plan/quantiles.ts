/** Quantiles of a mixture: wakes of several tiers, each with its own measured times and its own share. */
import { quantile } from "../lifecycle/latency-window.ts";

export interface Share {
  /** Measured times; in any order. */
  readonly values: readonly number[];
  /** How often this kind happens. */
  readonly weight: number;
}

/**
 * The nearest-rank quantile of all shares together, each value counting `weight / values.length`.
 * `null` where a share that happens has no values: what is not known is not guessed.
 */
export function mixedQuantile(shares: readonly Share[], q: number): number | null {
  const happening = shares.filter(({ weight }) => weight > 0);
  if (happening.length === 0 || happening.some(({ values }) => values.length === 0)) return null;
  const [only] = happening;
  if (happening.length === 1 && only !== undefined)
    return quantile(
      only.values.toSorted((left, right) => left - right),
      q,
    );
  const weighted = happening
    .flatMap(({ values, weight }) => values.map((value) => ({ value, weight: weight / values.length })))
    .toSorted((left, right) => left.value - right.value);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  let reached = 0;
  for (const { value, weight } of weighted) {
    reached += weight;
    // A sum of fractions may miss its own total by a rounding.
    if (reached >= q * total * (1 - 1e-12)) return value;
  }
  return weighted.at(-1)?.value ?? null;
}
