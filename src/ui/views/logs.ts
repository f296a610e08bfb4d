/** Output of functions, one or all, following its end or standing still. */
import { line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { formatClock, formatCount } from "../format/units.ts";
import { chunkColumns, fit, textWidth } from "../format/width.ts";
import { startOf } from "../store/feed.ts";
import type { FeedSource } from "../store/feed.ts";
import { logLinesOf } from "../store/logs.ts";
import type { StoredLine } from "../store/logs.ts";
import { containsText, shownData } from "../store/select.ts";
import type { ConsoleState, FeedArea } from "../store/types.ts";
import { nothingYet } from "./empty.ts";

export type LogArea = Extract<FeedArea, "logs" | "all-logs">;

const idColumn = 14;

export function logItems(state: ConsoleState, area: LogArea): readonly StoredLine[] {
  return logLinesOf(shownData(state).logs, area === "logs" ? state.ui.table.selectedId : null);
}

const prefixWidth = ({ ui }: ConsoleState, area: LogArea): number =>
  1 + (ui.times ? 13 : 0) + (area === "all-logs" ? idColumn + 1 : 0) + 2;

export function logSource(state: ConsoleState, area: LogArea, width: number): FeedSource {
  const items = logItems(state, area);
  const room = Math.max(1, width - prefixWidth(state, area));
  return {
    count: items.length,
    numberAt: (index) => items[index]?.n ?? 0,
    rowsAt: (index) => {
      const text = items[index]?.text ?? "";
      if (!state.ui.wrap || textWidth(text) <= room) return 1;
      return chunkColumns(text, room).length;
    },
  };
}

const textRole = ({ level }: StoredLine): Span["role"] =>
  level === "error" ? "bad" : level === "warn" ? "warn" : level === "debug" ? "dim" : "text";

const barRole = { stdout: "dim", stderr: "warn", engine: "accent" } as const;

/** Text with the places found marked. */
export function highlight(text: string, wanted: string, role: Span["role"]): readonly Span[] {
  if (wanted === "") return [span(text, role)];
  const sensitive = wanted !== wanted.toLowerCase();
  const haystack = sensitive ? text : text.toLowerCase();
  // A few letters change their length in lower case; positions would be wrong then.
  if (haystack.length !== text.length) return [span(text, role)];
  const parts: Span[] = [];
  let from = 0;
  for (let at = haystack.indexOf(wanted); at !== -1; at = haystack.indexOf(wanted, from)) {
    parts.push(span(text.slice(from, at), role), span(text.slice(at, at + wanted.length), "match"));
    from = at + wanted.length;
  }
  return [...parts, span(text.slice(from), role)];
}

function rowsOf(state: ConsoleState, area: LogArea, item: StoredLine, width: number): readonly Line[] {
  const { ui } = state;
  const { search, match } = ui.feeds[area];
  const room = Math.max(1, width - prefixWidth(state, area));
  const texts = ui.wrap ? chunkColumns(item.text, room) : [item.text];
  const blank = " ".repeat(prefixWidth(state, area) - 2);
  const lead: Span[] = [
    span(search !== "" && match === item.n ? "›" : " ", "accent"),
    ...(ui.times ? [span(`${formatClock(item.atMs, true)} `, "dim")] : []),
    ...(area === "all-logs" ? [span(`${fit(item.functionId, idColumn)} `, "calm")] : []),
  ];
  return texts.map((text, index) =>
    line(
      ...(index === 0 ? lead : [span(blank)]),
      span("│ ", barRole[item.stream]),
      ...highlight(text, search, textRole(item)),
    ),
  );
}

export function logLines(state: ConsoleState, area: LogArea, width: number, height: number): readonly Line[] {
  const items = logItems(state, area);
  if (items.length === 0) {
    return area === "logs"
      ? nothingYet(
          "This function has written nothing yet.",
          "What it writes to stdout and stderr appears here.",
        )
      : nothingYet(
          "No function has written anything yet.",
          "What they write to stdout and stderr appears here.",
        );
  }
  const source = logSource(state, area, width);
  const start = startOf(source, state.ui.feeds[area], height);
  const lines: Line[] = [];
  for (let index = start.index; index < items.length && lines.length < height; index += 1) {
    const item = items[index];
    if (item === undefined) break;
    const rows = rowsOf(state, area, item, width);
    lines.push(...(index === start.index ? rows.slice(start.row) : rows));
  }
  return lines.slice(0, height);
}

/** How many lines hold the search, and which of them is the current one, from 1; 0 where none is. */
export function searchCount(
  state: ConsoleState,
  area: LogArea,
): { readonly found: number; readonly current: number } {
  const { search, match } = state.ui.feeds[area];
  let found = 0;
  let current = 0;
  for (const item of logItems(state, area)) {
    if (!containsText(item.text, search)) continue;
    found += 1;
    if (item.n === match) current = found;
  }
  return { found, current };
}

/** For the rule above: what is shown, following or not, what is searched. */
export function logTitle(state: ConsoleState, area: LogArea): Line {
  const feed = state.ui.feeds[area];
  const count = logItems(state, area).length;
  const { found, current } = feed.search === "" ? { found: 0, current: 0 } : searchCount(state, area);
  return line(
    area === "logs" ? span(state.ui.table.selectedId ?? "", "strong") : span("all functions", "strong"),
    span(" log  ", "dim"),
    feed.follow ? span("following", "good") : span("standing still", "warn"),
    span(`  ${formatCount(count)} lines`, "dim"),
    ...(state.ui.wrap ? [span("  wrapped", "dim")] : []),
    ...(feed.search === ""
      ? []
      : [
          span("  search ", "dim"),
          span(feed.search, "strong"),
          span(` ${current} of ${found}`, found === 0 ? "warn" : "dim"),
        ]),
  );
}
