/** What of a function says how it comes back from its snapshot, and what a failed restore means. */
import { z } from "zod";
import { budgetMs, flag, oneOf, rule } from "../fields.ts";
import { restoreAhead, violation, wholeNumber } from "./values.ts";
import { warmupSchema } from "./warmup.ts";

/** Its restores, and what is proved of its snapshot. */
export const restoreFields = {
  restore_budget_ms: budgetMs
    .optional()
    .describe("Limit on a restore of this function. Default: that of the engine.")
    .meta({ examples: [25] }),
  on_violation: violation
    .optional()
    .describe("What a late restore does to this function. Default: that of the engine."),
  on_restore_failure: oneOf(["fail", "cold"])
    .default("fail")
    .describe(
      "When a snapshot cannot be restored: `fail` the wake, or start `cold` and lose what was in memory.",
    ),
  image: oneOf(["auto", "mapped", "stock"])
    .default("auto")
    .describe(
      "How memory comes back at a wake: `mapped` (from a file in memory, at any heap size in the same time) or `stock` (read page by page). `auto` maps where the program's runtime and allocator are on the tested list and there is no `memory_limit`, which does not count mapped memory; `aether ps` shows the choice and its reason.",
    ),
  warm_pool: wholeNumber(0, 64)
    .optional()
    .describe(
      "How many wakes are kept prepared for this function while it sleeps: a sandbox with CRIU waiting in it, some megabytes each. Default: one, while the engine's pool has room for it.",
    )
    .meta({ examples: [2] }),
  restore_ahead: restoreAhead
    .optional()
    .describe(
      "Whether the restore of a prepared wake is done while the function sleeps, and held before its first instruction: a wake takes a fraction of a restore then. `auto` does so for a mapped image, whose memory stays in its file until it is touched; `always` for a stock one as well, which then takes its whole memory while it sleeps. Not with `protocol: udp` or `connections: keep`. The monotonic clock of a process that is held goes on, as that of a suspended one does. Default: that of the engine.",
    ),
  warmup: z
    .array(warmupSchema, rule("a list of requests"))
    .default([])
    .describe(
      "HTTP requests sent to the function before its snapshot is made: a warmed process wakes faster. A copy restored from the snapshot must answer them as the function did.",
    )
    .meta({ examples: [[{ path: "/" }]] }),
  prove_deploy: flag
    .default(true)
    .describe(
      "Whether a changed function with `warmup` and `start: snapshot` proves itself before it replaces the running version: it is started in a network of its own, warmed, saved and restored, and must answer the same. `false` replaces it at once.",
    ),
};
