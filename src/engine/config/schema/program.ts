/** What of a function says which program runs. */
import { z } from "zod";
import { maxFunctionIdLength } from "../../../protocol/paths.ts";
import { flag, rule, text } from "../fields.ts";
import { handlerSchema } from "./handler.ts";
import { identifier, textAsWritten } from "./values.ts";

const command = z
  .union(
    [
      z.string().refine((value) => !value.includes("\0"), rule("a text without NUL")),
      z.array(textAsWritten, rule("a list of words")),
    ],
    rule("a list of words, or one line that is split without a shell"),
  )
  .describe(
    "The program and its arguments: a list, or one line split without a shell (quotes and backslashes work, nothing is expanded). The program is found through PATH; with a slash it is relative to `cwd`.",
  )
  .meta({ title: "text or list of texts", examples: ["python3 handler.py", ["node", "handler.mjs"]] });

/** Its name, and what is started. */
export const programFields = {
  id: identifier(maxFunctionIdLength)
    .describe("Name of the function, unique in the file.")
    .meta({ examples: ["hello"] }),
  command: command.optional(),
  handler: handlerSchema
    .optional()
    .describe(
      "Instead of `command`: one function that takes an event and a context and returns a result. Aether brings the program around it, which serves the trigger port and `aether invoke`.",
    )
    .meta({ examples: [{ runtime: "python", entry: "app.handle" }] }),
  ring: flag
    .default(false)
    .describe(
      "Give the function control page and rings, for handlers that use an SDK. Functions with `handler` always have them.",
    ),
  cwd: text("a folder")
    .optional()
    .describe("Working folder, relative to the file. Default: the file's folder.")
    .meta({ examples: ["./hello"] }),
};
