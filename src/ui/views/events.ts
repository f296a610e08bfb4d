/** What happened, step by step. */
import { describeEvent, eventLevel } from "../../protocol/events.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Role } from "../format/line.ts";
import { formatClock, formatCount } from "../format/units.ts";
import { sanitize } from "../format/sanitize.ts";
import { textWidth, wrapWords } from "../format/width.ts";
import { startOf } from "../store/feed.ts";
import type { FeedSource } from "../store/feed.ts";
import { matchesFilter, parseFilter } from "../store/filter.ts";
import { shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { stateLooks } from "../theme/states.ts";
import { nothingYet } from "./empty.ts";

const clockWidth = 14;
const idColumn = 14;

interface Sign {
  readonly glyph: string;
  readonly role: Role;
}

function signOf(event: EngineEvent): Sign {
  const level = eventLevel(event);
  if (level === "error") return { glyph: "✗", role: "bad" };
  if (level === "warn") return { glyph: "!", role: "warn" };
  if (event.type === "transition") return stateLooks[event.to];
  if (event.type === "wake") return { glyph: "▴", role: "accent" };
  return { glyph: "·", role: "dim" };
}

/** The text after the function's name, which stands in a column of its own. */
function textOf(event: EngineEvent): { readonly id: string; readonly text: string } {
  const id = "functionId" in event && event.functionId !== null ? event.functionId : "";
  const text = sanitize(describeEvent(event)).replaceAll(" -> ", " → ");
  return { id, text: id !== "" && text.startsWith(`${id}: `) ? text.slice(id.length + 2) : text };
}

/** The rows of one event; errors say on a further row what to do. */
export function eventLines(event: EngineEvent, width: number, wrap: boolean): readonly Line[] {
  const sign = signOf(event);
  const { id, text } = textOf(event);
  // Ids in a column of their own, as wide as most are.
  const name = id === "" ? "" : `${id.padEnd(idColumn)}  `;
  const room = Math.max(10, width - clockWidth - 4);
  const textRole: Role = sign.role === "bad" || sign.role === "warn" ? sign.role : "text";
  const textRoom = Math.max(10, room - textWidth(name));
  const pieces = wrap ? wrapWords(text, textRoom) : [text];
  const under = " ".repeat(clockWidth + 2 + textWidth(name));
  const lines = pieces.map((piece, index) =>
    index > 0
      ? line(under, span(piece, textRole))
      : line(
          span(` ${formatClock(event.atMs, true)} `, "dim"),
          span(`${sign.glyph} `, sign.role),
          span(name, "strong"),
          span(piece, textRole),
        ),
  );
  const hint = wrap && event.type === "error" ? event.error.hint : null;
  if (hint === null) return lines;
  const hints = wrapWords(hint, Math.max(10, textRoom - 2));
  return [
    ...lines,
    ...hints.map((piece, index) => line(under, span(index === 0 ? "→ " : "  ", "accent"), piece)),
  ];
}

let memo: { events: readonly EngineEvent[]; filter: string; found: readonly EngineEvent[] } | null = null;

/** The events that the filter lets through, by function and by text. */
export function shownEvents(state: ConsoleState): readonly EngineEvent[] {
  const { events } = shownData(state);
  const text = state.ui.eventFilter;
  const filter = parseFilter(text);
  if (filter.kind === "none") return events;
  if (memo?.events === events && memo.filter === text) return memo.found;
  const found = events.filter((event) => {
    const { id, text: rest } = textOf(event);
    return matchesFilter(filter, { name: id, rest: `${rest} ${eventLevel(event)} ${event.type}` });
  });
  memo = { events, filter: text, found };
  return found;
}

export function eventSource(state: ConsoleState, width: number): FeedSource {
  const events = shownEvents(state);
  return {
    count: events.length,
    numberAt: (index) => events[index]?.seq ?? 0,
    rowsAt: (index) => {
      const event = events[index];
      return event === undefined ? 1 : eventLines(event, width, true).length;
    },
  };
}

export function eventsLines(state: ConsoleState, width: number, height: number): readonly Line[] {
  const events = shownEvents(state);
  const { keymap, eventFilter } = state.ui;
  if (events.length === 0 && eventFilter !== "")
    return nothingYet(
      `No event matches ${eventFilter}.`,
      `${keymap.keyOf("filter-events")} changes the filter, ${keymap.keyOf("back")} removes it.`,
    );
  if (events.length === 0)
    return nothingYet("Nothing has happened yet.", "Every step of a function appears here.");
  const start = startOf(eventSource(state, width), state.ui.feeds.events, height);
  const lines: Line[] = [];
  for (let index = start.index; index < events.length && lines.length < height; index += 1) {
    const event = events[index];
    if (event === undefined) break;
    const rows = eventLines(event, width, true);
    lines.push(...(index === start.index ? rows.slice(start.row) : rows));
  }
  return lines.slice(0, height);
}

/** The newest events, one row each, for the room below a short table. */
export function recentEvents(state: ConsoleState, width: number, height: number): readonly Line[] {
  const events = shownData(state).events.slice(-Math.max(0, height));
  const lines = events.flatMap((event) => eventLines(event, width, false));
  return lines.length === 0 ? [line("  ", span("Nothing has happened yet.", "dim")), emptyLine] : lines;
}

export function eventsTitle(state: ConsoleState): Line {
  return line(
    span("events  ", "strong"),
    state.ui.feeds.events.follow ? span("following", "good") : span("standing still", "warn"),
    span(`  ${formatCount(shownData(state).events.length)} kept`, "dim"),
    ...(state.ui.eventFilter === ""
      ? []
      : [
          span("  filter ", "dim"),
          span(state.ui.eventFilter, "strong"),
          span(` ${formatCount(shownEvents(state).length)}`, "dim"),
        ]),
  );
}
