/** The buckets of every latency histogram: fine below the usual budget of 15 ms, where it is decided whether one is kept. */

/** Upper bounds, ms, each inclusive as in Prometheus; a last bucket holds what is above all of them. */
export const latencyBoundsMs = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 20, 25, 30, 40, 50, 75, 100,
] as const;

export const latencyBucketCount = latencyBoundsMs.length + 1;

/** The bucket of a duration. */
export function bucketOf(ms: number): number {
  const index = latencyBoundsMs.findIndex((bound) => ms <= bound);
  return index === -1 ? latencyBoundsMs.length : index;
}
