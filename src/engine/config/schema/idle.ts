/** `idle`: when a function goes to sleep. */
import { z } from "zod";
import { durationOrNever, flag, rule } from "../fields.ts";

/** When an idle function goes to sleep. */
export const idleSchema = z.strictObject(
  {
    suspend_after: durationOrNever
      .optional()
      .meta({ default: "30s" })
      .describe(
        "No open connection for so long: the function is frozen in memory. `never` skips this tier. Where only `snapshot_after` is given and is shorter than 30s, it counts here too.",
      ),
    snapshot_after: durationOrNever
      .optional()
      .meta({ default: "5m" })
      .describe(
        "No open connection for so long: the function becomes a snapshot and its memory is freed. Not shorter than `suspend_after`; where only that is given and is longer than 5m, it counts here too.",
      ),
    ignore_open: flag
      .default(false)
      .describe(
        "Whether the function may sleep although idle connections are open; before a snapshot they are closed.",
      ),
    reclaim: flag
      .default(false)
      .describe(
        "Whether a suspended function's memory is handed back to the machine: written to swap or zram, and read back as it is touched again. Needs active swap.",
      ),
  },
  rule("a mapping with suspend_after, snapshot_after, ignore_open, reclaim"),
);
