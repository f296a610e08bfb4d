/** The console's window on the functions' output: bounded as a whole and per function, so that a chatty one cannot push out the others. */
import type { LogLine } from "../../protocol/control.ts";
import { readJsonLine } from "../format/json-line.ts";
import type { LogLevel } from "../format/json-line.ts";
import { appendBounded } from "../format/window.ts";
import { sanitize } from "../format/sanitize.ts";
import { takeColumns } from "../format/width.ts";

export const maxLogLines = 10_000;
/** Lines kept of one function lie between these two, by the number of functions. */
const perFunction = { least: 200, most: 2_000, shared: 40_000 } as const;
/** A longer line is cut: the file on disk has it whole. */
const maxLineColumns = 4_000;

export interface StoredLine {
  /** Order of arrival; the sequence numbers of different functions do not compare. */
  readonly n: number;
  readonly atMs: number;
  readonly functionId: string;
  readonly stream: LogLine["stream"];
  /** As it was written, safe to draw. */
  readonly text: string;
  /** A line of JSON as people read it, safe to draw; `null` for every other line. */
  readonly readable: string | null;
  readonly level: LogLevel;
}

export interface LogWindow {
  readonly all: readonly StoredLine[];
  readonly byFunction: ReadonlyMap<string, readonly StoredLine[]>;
  readonly next: number;
}

export const emptyLogs: LogWindow = { all: [], byFunction: new Map(), next: 0 };

const levelPatterns: readonly (readonly [LogLevel, RegExp])[] = [
  ["error", /\b(?:error|fatal|panic|critical|exception|traceback)\b/i],
  ["warn", /\bwarn(?:ing)?\b/i],
  ["debug", /\b(?:debug|trace)\b/i],
];

function levelOf(text: string): LogLevel {
  const head = text.slice(0, 120);
  return levelPatterns.find(([, pattern]) => pattern.test(head))?.[0] ?? "none";
}

/** Cut before sanitizing too: the work for a line of megabytes must stay small. */
const safe = (text: string): string =>
  takeColumns(sanitize(text.slice(0, maxLineColumns * 2)), maxLineColumns);

/** Adds lines; drops the oldest beyond the bounds. */
export function addLogLines(logs: LogWindow, lines: readonly LogLine[], functionCount: number): LogWindow {
  if (lines.length === 0) return logs;
  let next = logs.next;
  const stored = lines.slice(-maxLogLines).map((line): StoredLine => {
    const text = safe(line.text);
    const json = line.text.length > maxLineColumns ? null : readJsonLine(line.text);
    const readable = json === null ? null : safe(json.text);
    const { atMs, functionId, stream } = line;
    return {
      n: next++,
      atMs,
      functionId,
      stream,
      text,
      readable,
      level: json === null ? levelOf(text) : json.level,
    };
  });
  const limit = Math.max(
    perFunction.least,
    Math.min(perFunction.most, Math.floor(perFunction.shared / Math.max(1, functionCount))),
  );
  const byFunction = new Map(logs.byFunction);
  for (const [id, more] of Map.groupBy(stored, (line) => line.functionId)) {
    byFunction.set(id, appendBounded(byFunction.get(id) ?? [], more, limit));
  }
  return { all: appendBounded(logs.all, stored, maxLogLines), byFunction, next };
}

/** Forgets the lines of functions that no longer exist. */
export function forgetLogs(logs: LogWindow, known: ReadonlySet<string>): LogWindow {
  const kept = Array.from(logs.byFunction).filter(([id]) => known.has(id));
  return kept.length === logs.byFunction.size ? logs : { ...logs, byFunction: new Map(kept) };
}

/** Index of the first line whose number is not below `n`. */
export function findFirst(lines: readonly StoredLine[], n: number): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.n ?? 0) < n) low = middle + 1;
    else high = middle;
  }
  return low;
}
