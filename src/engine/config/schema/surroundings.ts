/** What of a function says in which surroundings it runs: environment, memory, user, rights. */
import { z } from "zod";
import { flag, rule, size, text } from "../fields.ts";
import { textAsWritten } from "./values.ts";

const env = z
  .record(
    // The prefix is reserved as a whole, so that a later Aether can set more.
    z.string().regex(/^(?!AETHER_)[^=\0]+$/, {
      error: () => "must not contain = or begin with AETHER_, which is reserved for Aether",
    }),
    textAsWritten,
    rule("a mapping of names to texts"),
  )
  .default({})
  .describe(
    "Environment variables of the function. Plain numbers and true/false are taken as written. Values are never printed. Names that begin with AETHER_ are set by Aether.",
  )
  .meta({ examples: [{ LOG_LEVEL: "debug" }] });

/** What it is given, and what it may do. */
export const surroundingsFields = {
  env,
  memory_limit: size
    .optional()
    .describe(
      "Most memory the function may use, at least 8MiB and at most the machine's. Default: no limit.",
    )
    .meta({ examples: ["128MiB"] }),
  user: z
    .union(
      [text("a user"), z.number().meta({ type: "integer", minimum: 0 })],
      rule("a user: name, uid, or name:group"),
    )
    .optional()
    .describe("User to run as: `name`, `uid` or `name:group`. Default: the user of the engine.")
    .meta({ examples: ["nobody", "1000", "www-data:www-data"] }),
  privileged: flag
    .default(false)
    .describe(
      "Keep all capabilities and allow gaining privileges. The way out for what the sandbox forbids; views show it.",
    ),
};
