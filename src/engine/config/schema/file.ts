/**
 * The schema of aether.yaml, and in the files of this folder the only place that says which fields there are. Types, JSON
 * schema, docs/configuration.md and the "did you mean" of misspelt keys come from it. What takes more than one field to
 * judge is in ../checks.ts.
 */
import { z } from "zod";
import { rule } from "../fields.ts";
import { engineSchema } from "./engine.ts";
import { functionSchema } from "./function.ts";

/** The whole file. */
export const fileSchema = z.strictObject(
  {
    version: z
      .literal(1, rule("1, the version of the format that this Aether reads"))
      .describe("Version of the format: 1."),
    engine: engineSchema.prefault({}).describe("Settings of the engine; every one has a default."),
    functions: z
      .array(functionSchema, rule('a list of functions, each beginning with "- id:"'))
      .describe("The functions, in the order in which views list them."),
  },
  rule("a mapping with version and functions"),
);
