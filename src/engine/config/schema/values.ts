/** The kinds of value that more than one part of the schema uses and that only the schema knows. */
import { z } from "zod";
import { idPattern } from "../../../protocol/paths.ts";
import { oneOf, rule } from "../fields.ts";

/** A name that is also part of paths. */
export function identifier(maxLength: number): z.ZodType<string, string> {
  const sentence = `1 to ${maxLength} letters, digits, - or _, the first a letter or digit`;
  return z
    .string(rule(sentence))
    .refine((value) => value.length <= maxLength && idPattern.test(value), rule(sentence))
    .meta({ pattern: idPattern.source, minLength: 1, maxLength });
}

/** The path of a request, with its query. */
export const httpPath = z
  .string(rule("a path that begins with /"))
  .regex(/^\/[\x21-\x7e]*$/, rule("a path that begins with /, without blanks (write them as %20)"));

/** A whole number within bounds, both included. */
export function wholeNumber(least: number, most: number): z.ZodType<number, number> {
  const what = rule(`a whole number from ${least} to ${most}`);
  return z
    .number(what)
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, what)
    .meta({ type: "integer", minimum: least, maximum: most });
}

/** What a restore over its budget does. */
export const violation = oneOf(["fail", "serve"]);

/** Of which images the restore is done before somebody connects. */
export const restoreAhead = oneOf(["auto", "always", "never"]);

/** A text; the reader of the file has already turned plain numbers and true/false back into what was written. */
export const textAsWritten = z
  .string(rule("a text"))
  .refine((value) => !value.includes("\0"), rule("a text without NUL"))
  .meta({ type: ["string", "number", "boolean"] });
