/** What the stats region counts beyond a function's view: histograms of restores and wakes, and errors. */
import { bucketOf, latencyBucketCount } from "../../protocol/latency-buckets.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { WakeTier } from "../../protocol/states.ts";

export class Histogram {
  readonly counts: number[] = Array.from({ length: latencyBucketCount }, () => 0);
  sumMs = 0;

  add(ms: number): void {
    const bucket = bucketOf(ms);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sumMs += ms;
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }
}

/** Of one function, from its beginning to its replacement. */
export class FunctionTally {
  readonly restores = new Histogram();
  readonly wakes: Readonly<Record<WakeTier, Histogram>> = {
    suspended: new Histogram(),
    snapshot: new Histogram(),
    cold: new Histogram(),
  };
  wakesFailed = 0;
  errors = 0;

  take(event: EventBody): void {
    switch (event.type) {
      case "wake":
        this.wakes[event.tier].add(event.totalMs);
        if (event.restoreMs !== null) this.restores.add(event.restoreMs);
        return;
      case "wake-failed":
        this.wakesFailed += 1;
        return;
      case "error":
        this.errors += 1;
        return;
      case "transition":
      case "exit":
      case "reload":
      case "reload-refused":
      case "progress":
      case "notice":
      case "reclaim":
        return;
      default:
        return assertNever(event);
    }
  }
}
