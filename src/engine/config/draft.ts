/** What of a file is already valid, field by field, so that the checks go on although another field is wrong. */
import type { z } from "zod";
import { engineSchema } from "./schema/engine.ts";
import type { EngineInput } from "./schema/engine.ts";
import { functionSchema } from "./schema/function.ts";
import type { FunctionInput } from "./schema/function.ts";

/** A function as far as its fields are valid; a wrong one is absent, a missing one has its default. */
export interface FunctionDraft {
  /** Its place in the file. */
  readonly index: number;
  readonly fields: Partial<FunctionInput>;
  /** Fields that are written in the file, valid or not. */
  readonly written: ReadonlySet<string>;
}

export interface Draft {
  readonly engine: Partial<EngineInput>;
  readonly functions: readonly FunctionDraft[];
}

function record(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function validFields(
  shape: Readonly<Record<string, z.ZodType>>,
  raw: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(shape)) {
    const result = schema.safeParse(Object.hasOwn(raw, key) ? raw[key] : undefined);
    if (result.success && result.data !== undefined) fields[key] = result.data;
  }
  return fields;
}

/** Reads whatever can be read. */
export function draftOf(data: unknown): Draft {
  const file = record(data);
  const functions = file !== null && Array.isArray(file["functions"]) ? (file["functions"] as unknown[]) : [];
  return {
    engine: validFields(engineSchema.shape, record(file?.["engine"]) ?? {}),
    functions: functions.flatMap((entry, index) => {
      const raw = record(entry);
      if (raw === null) return [];
      return [{ index, fields: validFields(functionSchema.shape, raw), written: new Set(Object.keys(raw)) }];
    }),
  };
}
