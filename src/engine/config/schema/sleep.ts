/** What of a function says when it starts, sleeps and is woken. */
import { oneOf } from "../fields.ts";
import { idleSchema } from "./idle.ts";
import { wholeNumber } from "./values.ts";

/** Its way between running and asleep. */
export const sleepFields = {
  sleep: oneOf(["keep", "golden"])
    .default("keep")
    .describe(
      "What a sleep keeps: `keep` dumps the memory each time; `golden` (for stateless functions) discards it and always wakes from the first image.",
    ),
  start: oneOf(["snapshot", "running", "lazy"])
    .default("snapshot")
    .describe(
      "What happens when the engine starts: make the `snapshot` and sleep, stay `running`, or `lazy`: not started before the first connection.",
    ),
  idle: idleSchema.prefault({}).describe("When the function goes to sleep."),
  connections: oneOf(["refuse", "close", "keep"])
    .default("refuse")
    .describe(
      "Open connections when a snapshot is made: `refuse` to sleep, `close` them, or `keep` them in the image.",
    ),
  wake_on: oneOf(["connection", "syn", "data"])
    .default("connection")
    .describe(
      "What wakes the function: a completed `connection`, the first `syn` of one (half a round trip earlier; needs `engine.data_plane`), or the first `data` that a client sends (for protocols in which the client speaks first).",
    ),
  max_connections_per_second: wholeNumber(1, 10_000)
    .optional()
    .describe(
      "New connections above this rate are dropped before the kernel sees them; clients try again after a second. Needs `engine.data_plane`. Default: no limit.",
    )
    .meta({ examples: [100] }),
};
