/** Whether a restored copy answers as the function did before its snapshot, and if not, where the two part. */
import type { WarmupRequest } from "../../protocol/config.ts";
import { parseAnswer } from "./http-answer.ts";
import type { HttpAnswer } from "./http-answer.ts";

/** An answer as it came over the socket. */
export interface RawAnswer {
  readonly bytes: Buffer;
  /** Longer than what is kept: only the beginning can be compared. */
  readonly cut: boolean;
}

/** Where two answers part. Texts are short and printable. */
export interface Difference {
  /** "status", "header NAME" or "body". */
  readonly part: string;
  /** Of the first byte of the body that differs; `null` for the other parts. */
  readonly offset: number | null;
  readonly expected: string;
  readonly found: string;
}

/** RFC 9110, 6.6.1: a clock, and no part of the answer. */
const clock = "date";
/** Values that let somebody in are not shown. */
const secretHeaders: ReadonlySet<string> = new Set(["set-cookie", "authorization", "www-authenticate"]);
const shownChars = 60;
const shownBefore = 12;
const shownAfter = 36;

/** The first difference that counts for this request; `null`: there is none. */
export function compareAnswers(
  request: Pick<WarmupRequest, "compare" | "ignoreHeaders">,
  expected: RawAnswer,
  found: RawAnswer,
): Difference | null {
  const before = parseAnswer(expected.bytes);
  const after = parseAnswer(found.bytes);
  if (before === null && after === null) {
    if (request.compare === "status") return null;
    return compareBodies(expected.bytes, found.bytes, expected.cut && found.cut);
  }
  if (before === null || after === null || before.status !== after.status) {
    return { part: "status", offset: null, expected: statusText(before), found: statusText(after) };
  }
  if (request.compare === "status") return null;
  return (
    compareHeaders(before, after, new Set([clock, ...request.ignoreHeaders])) ??
    compareBodies(before.body, after.body, expected.cut && found.cut)
  );
}

const statusText = (answer: HttpAnswer | null): string =>
  answer === null ? "no HTTP" : String(answer.status);

function compareHeaders(
  before: HttpAnswer,
  after: HttpAnswer,
  ignored: ReadonlySet<string>,
): Difference | null {
  for (const name of new Set([...before.headers.keys(), ...after.headers.keys()])) {
    if (ignored.has(name)) continue;
    const expected = before.headers.get(name);
    const found = after.headers.get(name);
    if (expected?.join("\n") === found?.join("\n")) continue;
    const show = (values: readonly string[] | undefined): string => {
      if (values === undefined) return "none";
      return secretHeaders.has(name) ? "a value that is not shown" : printable(values.join(", "));
    };
    return { part: `header ${printable(name)}`, offset: null, expected: show(expected), found: show(found) };
  }
  return null;
}

function compareBodies(before: Buffer, after: Buffer, cut: boolean): Difference | null {
  const common = Math.min(before.length, after.length);
  let offset = before.compare(after, 0, common, 0, common) === 0 ? common : firstDifference(before, after);
  if (offset === common && (cut || before.length === after.length)) return null;
  offset = Math.min(offset, common);
  return { part: "body", offset, expected: around(before, offset), found: around(after, offset) };
}

function firstDifference(before: Buffer, after: Buffer): number {
  let offset = 0;
  while (before[offset] === after[offset]) offset += 1;
  return offset;
}

/** A few bytes on both sides of the place; "the end" where there are no more. */
function around(body: Buffer, offset: number): string {
  if (offset >= body.length) return `the end, after ${body.length} bytes`;
  return printable(body.subarray(Math.max(0, offset - shownBefore), offset + shownAfter).toString("latin1"));
}

/** Whatever a function wrote, as one short line of ASCII. */
function printable(text: string): string {
  const safe = Array.from(text.slice(0, shownChars), (char) => {
    if (char === "\n") return "\\n";
    if (char === "\r") return "\\r";
    return /[\x20-\x7e]/.test(char) ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  }).join("");
  return text.length > shownChars ? `${safe}...` : safe;
}
