/** What a thread's JavaScript no longer needs is given back while nothing happens. */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Less than this is not worth the look at everything. */
const worthwhileBytes = 4 * 1024 * 1024;

let collect: ((options: { readonly flavor: "last-resort" }) => void) | null = null;
let leftBytes = 0;

/**
 * Collects this thread's garbage, if its heap has grown since it did so last. V8 collects as memory is asked for, and an
 * idle thread asks for none: what a start leaves behind stayed, 25 MB in three threads. Takes some 20 ms, for which the thread
 * does nothing else: not for one on which clients wait.
 */
export function collectGarbage(): void {
  if (getHeapStatistics().total_physical_size - leftBytes < worthwhileBytes) return;
  collect ??= exposeCollector();
  collect({ flavor: "last-resort" });
  leftBytes = getHeapStatistics().total_physical_size;
}

/** Only a context that is made after the flag was set has the function. The flag is one of all threads: it stays. */
function exposeCollector(): NonNullable<typeof collect> {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as NonNullable<typeof collect>;
}
