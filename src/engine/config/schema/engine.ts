/** `engine`: what holds for all functions. */
import { z } from "zod";
import { logLevels } from "../../../protocol/config.ts";
import { maxEngineNameLength } from "../../../protocol/paths.ts";
import { addressRange, budgetMs, flag, oneOf, rule, size, text } from "../fields.ts";
import { dataPlaneSchema } from "./data-plane.ts";
import { metricsSchema } from "./metrics.ts";
import { identifier, restoreAhead, violation, wholeNumber } from "./values.ts";

/** Settings of the engine. */
export const engineSchema = z.strictObject(
  {
    name: identifier(maxEngineNameLength)
      .default("default")
      .describe("Name of the engine; engines of different names run side by side."),
    snapshot_dir: text("a folder")
      .default("/dev/shm")
      .describe("Folder for snapshots, relative to the file. Memory-backed storage restores fastest."),
    keep_snapshots: flag
      .default(false)
      .describe("Whether snapshots survive `aether down` and are adopted by the next start."),
    restore_budget_ms: budgetMs
      .default(15)
      .describe("Limit on a restore, in milliseconds, enforced for every function that has none of its own."),
    on_violation: violation
      .default("fail")
      .describe(
        "What happens to a restore over its budget: `fail` kills it and resets the waiting clients, `serve` lets it serve late and counts the violation.",
      ),
    log_level: oneOf(logLevels).default("info").describe("Least severe events that are logged."),
    max_parallel_restores: wholeNumber(1, 256)
      .optional()
      .describe("How many restores run at once. Default: the number of processor cores."),
    warm_pool: wholeNumber(0, 10_000)
      .optional()
      .describe(
        "For how many functions a wake is prepared while they sleep; who was woken last keeps its place. Functions with a `warm_pool` of their own come on top. Default: as many as fit in a twentieth of the machine's memory.",
      ),
    restore_ahead: restoreAhead
      .default("auto")
      .describe("`restore_ahead` of every function that has none of its own."),
    breakpoints: oneOf(["hardware", "none"])
      .default("hardware")
      .describe(
        "How CRIU stops the threads of a restored process: with `hardware` breakpoints, or with `none` (CRIU_FAULT=130), which is faster on some virtual machines. `aether doctor` measures both.",
      ),
    memory_budget: size
      .optional()
      .describe(
        "Most memory of all idle and suspended functions together. Above it the least recently used ones become snapshots, suspended ones first; one with `snapshot_after: never` stays. Default: no limit.",
      )
      .meta({ examples: ["2GiB"] }),
    metrics: z
      .union([z.literal("off"), metricsSchema], rule("off, or a mapping with listen"))
      .prefault({})
      .meta({
        examples: [{ listen: "127.0.0.1:9091" }, "off"],
      })
      .describe(
        "Where metrics for Prometheus are served, at `/metrics`; `off` serves none. Default: on 127.0.0.1:9090; a second engine of one machine needs an address of its own.",
      ),
    data_plane: z
      .union([z.literal("off"), dataPlaneSchema], rule("off, or a mapping with interfaces, mode, required"))
      .default("off")
      .describe(
        "XDP programs that count and route packets by port: `off`, or on which interfaces. What it costs: docs/data-plane.md.",
      )
      .meta({ examples: [{ interfaces: ["lo"] }] }),
    private_range: addressRange
      .optional()
      .describe(
        "IPv4 addresses for instances with `network: private`, one each and three more. Default: the first /20 of 10.213.0.0/16 that nothing on the machine uses.",
      )
      .meta({ examples: ["10.99.0.0/24"] }),
  },
  rule("a mapping of engine settings"),
);

/** The engine's settings as zod hands them on. */
export type EngineInput = z.output<typeof engineSchema>;
