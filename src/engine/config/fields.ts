/** The kinds of value that several fields share, each with the rule that a wrong value is told. */
import { z } from "zod";
import { isForPrivateUse, parseRange } from "../network/address-range.ts";
import { parseListenAddress } from "./listen-address.ts";
import { durationPattern, parseDuration, parseSize, sizePattern } from "./units.ts";

/** The rule as the end of "must be ...". */
const rule = (text: string): { error: () => string } => ({ error: () => `must be ${text}` });

const durationRule = "a duration such as 500ms, 5s, 1m30s or 1h, at most 24 days";

/** A text whose meaning is read by `parse`; JSON schema sees the pattern, and what a bare number may be. */
function readText<T>(
  pattern: string,
  numbers: Readonly<Record<string, unknown>>,
  text: string,
  parse: (value: string | number) => T | null,
): z.ZodType<T, string | number> {
  return z
    .union([z.string().meta({ pattern }), z.number().meta(numbers)], rule(text))
    .transform((value, context): T => {
      const parsed = parse(value);
      if (parsed !== null) return parsed;
      context.issues.push({ code: "custom", message: `must be ${text}`, input: value });
      return z.NEVER;
    });
}

/** `500ms`, `5s`, `2m`, `1h`, or a bare 0; read as milliseconds. */
export const duration = readText(durationPattern, { const: 0 }, durationRule, parseDuration).meta({
  title: "duration",
});

/** A duration or `never`, which is read as null. */
export const durationOrNever: z.ZodType<number | null, string | number> = z
  .union(
    [z.string().meta({ pattern: `${durationPattern}|^never$` }), z.number().meta({ const: 0 })],
    rule(`never or ${durationRule}`),
  )
  .transform((value, context) => {
    if (value === "never") return null;
    const parsed = parseDuration(value);
    if (parsed === null)
      context.issues.push({ code: "custom", message: `must be never or ${durationRule}`, input: value });
    return parsed;
  })
  .meta({ title: "duration or `never`" });

/** `128MiB`, `64KB`, `1GiB`, or a whole number of bytes. */
export const size = readText(
  sizePattern,
  { type: "integer", minimum: 0 },
  "a size such as 64KB, 128MiB or 1GiB",
  parseSize,
).meta({ title: "size" });

/** A TCP port. */
export const port = z
  .number(rule("a port: a whole number from 1 to 65535"))
  .refine(
    (value) => Number.isInteger(value) && value >= 1 && value <= 65_535,
    rule("a port: a whole number from 1 to 65535"),
  )
  .meta({ type: "integer", minimum: 1, maximum: 65_535, title: "port" });

const listenRule = "an address and a port such as 127.0.0.1:9090 or [::1]:9090";

/** `ADDRESS:PORT`; an IPv6 address stands in brackets. No name but localhost: what it means could change. */
export const listenAddress = z
  .string(rule(listenRule))
  .meta({ pattern: String.raw`^(localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]):\d{1,5}$` })
  .transform((value, context) => {
    const parsed = parseListenAddress(value);
    if (parsed !== null) return parsed;
    context.issues.push({ code: "custom", message: `must be ${listenRule}`, input: value });
    return z.NEVER;
  })
  .meta({ title: "address" });

const rangeRule = "a private range of IPv4 addresses such as 10.99.0.0/24: /12 to /29, and its first address";

/** `ADDRESS/PREFIX`. */
export const addressRange = z
  .string(rule(rangeRule))
  .meta({ pattern: String.raw`^\d{1,3}(\.\d{1,3}){3}/(1[2-9]|2\d)$`, title: "address range" })
  .refine((value) => {
    const range = parseRange(value);
    return range !== null && range.prefix >= 12 && range.prefix <= 29 && isForPrivateUse(range);
  }, rule(rangeRule));

/** A limit in milliseconds; the field's name carries the unit. */
export const budgetMs = z
  .number(rule("a number of milliseconds above 0 and at most 60000, without a unit"))
  .refine(
    (value) => value > 0 && value <= 60_000,
    rule("a number of milliseconds above 0 and at most 60000, without a unit"),
  )
  .meta({ exclusiveMinimum: 0, maximum: 60_000 });

/** A text that a path or a name is made of: not empty, without NUL (the kernel ends it there). */
export const text = (what: string): z.ZodType<string, string> =>
  z
    .string(rule(what))
    .refine((value) => value !== "" && !value.includes("\0"), rule(what))
    .meta({ minLength: 1 });

/** `true` or `false`. */
export const flag = z.boolean(rule("true or false"));

/** One of the listed words. */
export function oneOf<const T extends readonly string[]>(words: T): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(words, rule(words.length === 2 ? words.join(" or ") : `one of ${words.join(", ")}`));
}

export { rule };
