/** One line of a traffic profile: which function, when, and how many connections. */
import { idPattern, maxFunctionIdLength } from "../../protocol/paths.ts";
import { LineRefused, readFlatObject } from "./flat-json.ts";
import type { FlatField } from "./flat-json.ts";

/** What happened to a function at one moment. */
export interface ProfileEntry {
  /** Milliseconds, from whichever origin the profile has (Unix time where it was recorded). */
  readonly atMs: number;
  readonly id: string;
  /** Connections opened at this moment; 0 where only the number of open ones changed. */
  readonly opened: number;
  /** Connections open from this moment on. 0 for a line without `open`: the connection was over at once. */
  readonly open: number;
}

export type ProfileLine =
  | { readonly ok: true; readonly entry: ProfileEntry }
  | { readonly ok: false; readonly column: number; readonly message: string };

/** Year 2286 in seconds: a larger number is milliseconds by mistake. */
const maxSeconds = 1e10;
const maxConnections = 1e9;
const known: ReadonlySet<string> = new Set(["t", "id", "n", "open"]);
/** RFC 3339, the zone included: without one a time means another moment on every machine. */
const isoPattern = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

function time(field: FlatField | undefined): number {
  if (field === undefined) throw new LineRefused(1, 'the key "t" is missing');
  const { value, column } = field;
  if (typeof value === "number") {
    if (value >= 0 && value <= maxSeconds) return value * 1000;
    throw new LineRefused(
      column,
      `"t" is a number of seconds from 0 to ${maxSeconds}; divide milliseconds by 1000`,
    );
  }
  if (typeof value !== "string" || !isoPattern.test(value))
    throw new LineRefused(column, '"t" is neither a number of seconds nor a time with its zone');
  const atMs = Date.parse(value.replace(" ", "T"));
  if (Number.isFinite(atMs)) return atMs;
  throw new LineRefused(column, '"t" is no day or hour that there is');
}

function functionId(field: FlatField | undefined): string {
  if (field === undefined) throw new LineRefused(1, 'the key "id" is missing');
  const { value, column } = field;
  if (typeof value === "string" && value.length <= maxFunctionIdLength && idPattern.test(value)) return value;
  throw new LineRefused(column, '"id" is no id of a function');
}

function count(name: string, field: FlatField | undefined, fallback: number): number {
  if (field === undefined) return fallback;
  const { value, column } = field;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxConnections)
    return value;
  throw new LineRefused(column, `"${name}" is no whole number of connections`);
}

function readEntry(text: string): ProfileEntry {
  const fields = readFlatObject(text);
  for (const [key, { keyColumn }] of fields) {
    if (!known.has(key))
      throw new LineRefused(
        keyColumn,
        `there is no key ${JSON.stringify(key)}; a line has t, id, n and open`,
      );
  }
  return {
    atMs: time(fields.get("t")),
    id: functionId(fields.get("id")),
    opened: count("n", fields.get("n"), 1),
    open: count("open", fields.get("open"), 0),
  };
}

/** Reads a line; what is wrong with it is told with its column. */
export function parseProfileLine(text: string): ProfileLine {
  try {
    return { ok: true, entry: readEntry(text) };
  } catch (error) {
    if (error instanceof LineRefused) return { ok: false, column: error.column, message: error.message };
    throw error;
  }
}

/** The line that `parseProfileLine` reads back as the entry, times to the millisecond. */
export function formatProfileLine({ atMs, id, opened, open }: ProfileEntry): string {
  return JSON.stringify({
    t: Math.round(atMs) / 1000,
    id,
    ...(opened === 1 ? {} : { n: opened }),
    ...(open === 0 ? {} : { open }),
  });
}
