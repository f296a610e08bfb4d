/** `handler`: one callable, for which Aether brings the program. */
import { z } from "zod";
import { duration, oneOf, rule, size } from "../fields.ts";
import { wholeNumber } from "./values.ts";

/** One callable, instead of a program. */
export const handlerSchema = z.strictObject(
  {
    runtime: oneOf(["python", "node"]).describe("What runs it: `python3` or `node`, as found through PATH."),
    entry: z
      .string(rule("a file and a function, such as app.handle"))
      .regex(/^[A-Za-z_][\w./-]*\.[A-Za-z_]\w*$/, rule("a file and a function in it, such as app.handle"))
      .describe(
        "File, without its ending, and function in it, relative to `cwd`: `app.handle` is `handle` of app.py, or of app.mjs, app.js or app.cjs.",
      ),
    timeout: duration.prefault("30s").describe("Limit on one event; HTTP clients get a 504 after it."),
    body_limit: size.prefault("6MiB").describe("Longest body of a request; longer ones get a 413."),
    concurrency: wholeNumber(1, 1_024)
      .default(1)
      .describe("Events that the handler works on at once; the others wait."),
  },
  rule("a mapping with runtime and entry"),
);
