/** What a reload changed, field by field, for people: old value, new value, what that took. Secrets stay out. */
import { isDeepStrictEqual } from "node:util";
import type { EngineConfig } from "../../protocol/config.ts";
import type { FieldChange } from "../../protocol/config-change.ts";
import type { ConfigDiff } from "./diff.ts";

/** Longer values are cut: a command line may be long. */
const longest = 120;
/** A reload of a thousand functions must not be an event of megabytes. */
const mostChanges = 200;

/** Fields whose values may be secret: told by what they count. */
const secretFields: ReadonlySet<string> = new Set(["env", "warmup"]);

function valueText(value: unknown): string {
  if (value === undefined || value === null) return "none";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

function secretText(field: string, value: unknown): string {
  if (field === "env") return Object.keys(Object(value) as object).join(", ") || "nothing declared";
  return Array.isArray(value) ? `${value.length} requests` : "none";
}

/** Names as in the file: `restoreBudgetMs` is `restore_budget_ms`. */
const inFile = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

type Pair = Pick<FieldChange, "field" | "from" | "to">;

/** One change, or those of its parts where both sides are mappings. */
function pairs(field: string, from: unknown, to: unknown): readonly Pair[] {
  const name = inFile(field);
  if (secretFields.has(field)) {
    const [before, after] = [secretText(field, from), secretText(field, to)];
    const same = before === after;
    return [{ field: name, from: same ? "hidden" : before, to: same ? "hidden, another value" : after }];
  }
  if (isPlain(from) && isPlain(to)) {
    return Object.keys({ ...from, ...to })
      .filter((key) => !isDeepStrictEqual(from[key], to[key]))
      .map((key) => ({
        field: `${name}.${inFile(key)}`,
        from: valueText(from[key]),
        to: valueText(to[key]),
      }));
  }
  return [{ field: name, from: valueText(from), to: valueText(to) }];
}

/**
 * The changes in the order of the file, the engine's first.
 * @param before settings of the engine that were in force
 * @param read settings of the engine as the file has them now: some of them only a new engine takes
 */
export function fieldChanges(
  { changed }: Pick<ConfigDiff, "changed">,
  before: EngineConfig,
  read: EngineConfig,
  inForce: EngineConfig,
): readonly FieldChange[] {
  const keys = Object.keys({ ...before, ...read }) as (keyof EngineConfig)[];
  const engine = keys
    .filter((key) => !isDeepStrictEqual(before[key], read[key]))
    .flatMap((key) =>
      pairs(key, before[key], read[key]).map((pair): FieldChange => {
        const effect = isDeepStrictEqual(inForce[key], read[key]) ? "at-once" : "next-start";
        return { functionId: null, ...pair, effect };
      }),
    );
  const functions = changed.flatMap(({ id, old, next, fields, needsReplacement }) =>
    fields.flatMap((field) =>
      pairs(field, old[field], next[field]).map((pair): FieldChange => ({
        functionId: id,
        ...pair,
        effect: needsReplacement ? "replaced" : "at-once",
      })),
    ),
  );
  return [...engine, ...functions].slice(0, mostChanges);
}
