import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { configurationReference, schemaFile } from "../../../src/engine/config/reference.ts";
import { configJsonSchema } from "../../../src/engine/config/json-schema.ts";
import type { FieldSchema } from "../../../src/engine/config/json-schema.ts";
import { fromRoot } from "./machine.ts";

describe("generated files", () => {
  it.each([
    ["schema/aether.schema.json", schemaFile],
    ["docs/configuration.md", configurationReference],
  ])("%s is what scripts/gen-schema.mjs writes", (file, text) => {
    expect(readFileSync(fromRoot(file), "utf8")).toBe(text());
  });

  it("describes every field", () => {
    const missing: string[] = [];
    const walk = (schema: FieldSchema, path: string): void => {
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        if ((field.description ?? "") === "") missing.push(`${path}${name}`);
        walk(field, `${path}${name}.`);
        if (field.items !== undefined) walk(field.items, `${path}${name}[].`);
      }
    };
    walk(configJsonSchema(), "");
    expect(missing).toEqual([]);
  });
});
