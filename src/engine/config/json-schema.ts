/** The JSON schema of aether.yaml, for editors: what may be written, not what the engine makes of it. */
import { z } from "zod";
import { fileSchema } from "./schema/file.ts";

/** The part of a JSON schema that our fields use. */
export interface FieldSchema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
  readonly items?: FieldSchema;
  readonly anyOf?: readonly FieldSchema[];
}

/** JSON schema of the file; draft 7 is what the YAML language servers know. */
export function configJsonSchema(): FieldSchema {
  const schema = z.toJSONSchema(fileSchema, {
    io: "input",
    target: "draft-7",
    override: ({ zodSchema, jsonSchema }) => {
      // The package drops these from a field that is transformed; ours are written for the input side.
      const meta = z.globalRegistry.get(zodSchema);
      const written = meta?.["default"];
      const examples = meta?.["examples"];
      if (typeof written === "string") jsonSchema.default = written;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
  return { title: "aether.yaml", ...(schema as FieldSchema) };
}
