/** Output of functions, one or several together, following its end or standing still. */
import { line, span } from "../format/line.ts";
import type { Line, Role, Span } from "../format/line.ts";
import { rangesIn } from "../format/search.ts";
import { formatClock, formatCount } from "../format/units.ts";
import { chunkColumns, fit, textWidth } from "../format/width.ts";
import { indexOfNumber, startOf } from "../store/feed.ts";
import type { FeedSource } from "../store/feed.ts";
import { logItems, logSources, shownText } from "../store/log-items.ts";
import type { LogArea } from "../store/log-items.ts";
import { foundInLog } from "../store/log-search.ts";
import type { StoredLine } from "../store/logs.ts";
import { shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { levelLooks, sourceRole, streamLooks } from "../theme/logs.ts";
import { nothingYet } from "./empty.ts";

const clockWidth = 13;
/** Before the text: sign of the line, time, name, level, stroke. */
const fixedWidth = 4;

/** As wide as the longest name that can come, within reason. */
function nameWidth(state: ConsoleState, width: number): number {
  const most = width >= 120 ? 28 : width >= 90 ? 20 : 14;
  const functions = shownData(state).view?.functions ?? [];
  return Math.min(
    most,
    functions.reduce((longest, fn) => Math.max(longest, textWidth(fn.id)), 8),
  );
}

interface Columns {
  readonly name: number;
  /** Of the text. */
  readonly room: number;
}

function columnsOf(state: ConsoleState, area: LogArea, width: number): Columns {
  const name = area === "all-logs" ? nameWidth(state, width) : 0;
  const before = fixedWidth + (state.ui.times ? clockWidth : 0) + (name === 0 ? 0 : name + 1);
  return { name, room: Math.max(1, width - before) };
}

export function logSource(state: ConsoleState, area: LogArea, width: number): FeedSource {
  const items = logItems(state, area);
  const { room } = columnsOf(state, area, width);
  return {
    count: items.length,
    numberAt: (index) => items[index]?.n ?? 0,
    rowsAt: (index) => {
      const item = items[index];
      if (item === undefined || !state.ui.wrap) return 1;
      const text = shownText(state, item);
      return textWidth(text) <= room ? 1 : chunkColumns(text, room).length;
    },
  };
}

/** Text with the places found marked. */
function highlight(text: string, ranges: readonly (readonly [number, number])[], role: Role): Span[] {
  const parts: Span[] = [];
  let done = 0;
  for (const [from, to] of ranges) {
    if (to <= done || from >= text.length) continue;
    const start = Math.max(done, from);
    parts.push(span(text.slice(done, start), role), span(text.slice(start, to), "match"));
    done = Math.min(to, text.length);
  }
  return [...parts, span(text.slice(done), role)];
}

/** What stands out about a line: chosen, under the cursor, found, marked. */
function signOf({ ui }: ConsoleState, area: LogArea, { n }: StoredLine): Span {
  const { choice, match } = ui.feeds[area];
  if (choice?.cursor === n) return span("▶", "accent");
  if (ui.logs.marks.has(n)) return span("◆", "warn");
  return span(match === n ? "›" : " ", "accent");
}

function isChosen({ ui }: ConsoleState, area: LogArea, { n }: StoredLine): boolean {
  const { choice } = ui.feeds[area];
  if (choice === null) return false;
  const from = choice.from ?? choice.cursor;
  return n >= Math.min(from, choice.cursor) && n <= Math.max(from, choice.cursor);
}

function rowsOf(state: ConsoleState, area: LogArea, item: StoredLine, columns: Columns): readonly Line[] {
  const { ui } = state;
  const text = shownText(state, item);
  const { search } = foundInLog(state, area);
  const ranges = ui.feeds[area].search === "" ? [] : rangesIn(search, text, ui.logs.regex);
  const pieces = ui.wrap ? chunkColumns(text, columns.room) : [text];
  const level = levelLooks[item.level];
  const stream = streamLooks[item.stream];
  const sign = signOf(state, area, item);
  const lead = [
    ...(ui.times ? [span(`${formatClock(item.atMs, true)} `, "dim")] : []),
    ...(columns.name === 0
      ? []
      : [span(`${fit(item.functionId, columns.name)} `, sourceRole(state, item.functionId))]),
    span(level.glyph, level.role),
  ];
  const blank = span(" ".repeat(lead.reduce((width, part) => width + textWidth(part.text), 0)));
  const selected = isChosen(state, area, item);
  let from = 0;
  return pieces.map((piece, index) => {
    const here = ranges.map(([start, end]) => [start - from, end - from] as const);
    from += piece.length;
    const body = highlight(piece, here, level.textRole);
    const row = line(
      index === 0 ? sign : " ",
      ...(index === 0 ? lead : [blank]),
      span(`${stream.glyph} `, stream.role),
      ...body,
    );
    return { ...row, selected };
  });
}

function emptyLog(state: ConsoleState, area: LogArea): readonly Line[] {
  if (state.ui.logs.cleared.size > 0) {
    return nothingYet(
      "The log was cleared.",
      `New lines appear here; ${state.ui.keymap.keyOf("show-cleared")} brings the old ones back.`,
    );
  }
  const hint = "What it writes to stdout and stderr appears here.";
  return area === "logs"
    ? nothingYet("This function has written nothing yet.", hint)
    : nothingYet("No function has written anything yet.", hint.replace("it writes", "they write"));
}

export function logLines(state: ConsoleState, area: LogArea, width: number, height: number): readonly Line[] {
  const items = logItems(state, area);
  if (items.length === 0) return emptyLog(state, area);
  const start = startOf(logSource(state, area, width), state.ui.feeds[area], height);
  const columns = columnsOf(state, area, width);
  const lines: Line[] = [];
  for (let index = start.index; index < items.length && lines.length < height + start.row; index += 1) {
    const item = items[index];
    if (item !== undefined) lines.push(...rowsOf(state, area, item, columns));
  }
  return lines.slice(start.row, start.row + height);
}

/** Following, or standing still with so many lines below what is seen. */
function followSpans(state: ConsoleState, area: LogArea, height: number): readonly Span[] {
  const feed = state.ui.feeds[area];
  if (feed.follow) return [span("following", "good")];
  const source = logSource(state, area, state.ui.columns);
  const start = startOf(source, feed, height);
  let index = start.index;
  for (let rows = -start.row; index < source.count && rows < height; index += 1) rows += source.rowsAt(index);
  const below = source.count - index;
  return [span(below > 0 ? `standing still, ${formatCount(below)} below` : "standing still", "warn")];
}

function searchSpans(state: ConsoleState, area: LogArea): readonly Span[] {
  const { search, match } = state.ui.feeds[area];
  if (search === "") return [];
  const { regex, exactCase } = state.ui.logs;
  const { numbers, error } = foundInLog(state, area);
  const current = match === null ? -1 : numbers.indexOf(match);
  const kind = [...(regex ? ["regex"] : []), ...(exactCase ? ["exact case"] : [])].join(", ");
  return [
    span("  search ", "dim"),
    span(search, "strong"),
    ...(error === null
      ? [span(` ${current + 1} of ${formatCount(numbers.length)}`, numbers.length === 0 ? "warn" : "dim")]
      : [span(` ✗ ${error}`, "bad")]),
    ...(kind === "" ? [] : [span(` (${kind})`, "dim")]),
  ];
}

function sourceSpans(state: ConsoleState, area: LogArea): readonly Span[] {
  const sources = logSources(state, area);
  if (sources === null) return [span("all functions", "strong")];
  const [first = "", ...others] = sources;
  return [span(others.length === 0 ? first : `${first} and ${others.length} more`, "strong")];
}

/** For the rule above: whose output, following or not, what is searched, chosen and hidden. `height`: rows of the log. */
export function logTitle(state: ConsoleState, area: LogArea, height: number): Line {
  const { ui } = state;
  const { choice } = ui.feeds[area];
  const count = logItems(state, area).length;
  const source = logSource(state, area, ui.columns);
  const chosen =
    choice === null
      ? 0
      : Math.abs(indexOfNumber(source, choice.cursor) - indexOfNumber(source, choice.from ?? choice.cursor)) +
        1;
  const notes = [
    ...(ui.wrap ? ["wrapped"] : []),
    ...(ui.logs.raw ? ["raw"] : []),
    ...(ui.logs.marks.size > 0 ? [`${ui.logs.marks.size} marked`] : []),
  ];
  return line(
    ...sourceSpans(state, area),
    span(" log  ", "dim"),
    ...followSpans(state, area, height),
    ...(chosen > 0 ? [span(`  ${formatCount(chosen)} chosen`, "accent")] : []),
    ...searchSpans(state, area),
    span(`  ${formatCount(count)} ${count === 1 ? "line" : "lines"}`, "dim"),
    ...notes.map((note) => span(`  ${note}`, "dim")),
  );
}
