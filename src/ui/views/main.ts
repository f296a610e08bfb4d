/** What stands in the main part of the screen, and what below it. */
import { ruleLine } from "../components/rule.ts";
import { line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { plural } from "../format/units.ts";
import type { Layout } from "../store/layout.ts";
import { displayRows, focusedArea, shownData } from "../store/select.ts";
import type { ConsoleState, ScrollArea, ViewId } from "../store/types.ts";
import { contentLines } from "./content.ts";
import { detailTitle } from "./detail.ts";
import { nothingYet } from "./empty.ts";
import { eventsLines, eventsTitle, recentEvents } from "./events.ts";
import { functionsLines, tableNote } from "./functions.ts";
import { invocationsLines, invocationsTitle } from "./invocations.ts";
import { logLines, logTitle } from "./logs.ts";
import { packetsLines, packetsTitle } from "./packets.ts";
import { wakesLines, wakesTitle } from "./wakes.ts";

function scrolled(state: ConsoleState, area: ScrollArea, width: number, height: number): readonly Line[] {
  const lines = contentLines(state, area, width);
  const offset = state.ui.scroll[area];
  return lines.slice(offset, offset + height);
}

/** A stroke of title, then content. */
const titled = (title: Line, content: readonly Line[], width: number): readonly Line[] => [
  ruleLine(title, line(), width),
  ...content,
];

/** What the stats region has something for. */
const numberViews: readonly ViewId[] = ["functions", "system", "network"];

export function mainLines(state: ConsoleState, { columns, main }: Layout): readonly Line[] {
  const area = focusedArea(state);
  if (state.ui.help) return scrolled(state, "help", columns, main);
  if (state.data.numbersOnly && !numberViews.includes(state.ui.view))
    return nothingYet(
      "Not in shared memory.",
      "This console reads the engine's numbers alone; `aether` attaches with logs, events and orders.",
    );
  const inner = main - 1;
  switch (state.ui.view) {
    case "functions":
      return functionsLines(state, columns, main);
    case "logs":
      return titled(logTitle(state, "all-logs", inner), logLines(state, "all-logs", columns, inner), columns);
    case "events":
      return titled(eventsTitle(state), eventsLines(state, columns, inner), columns);
    case "wakes":
      return titled(wakesTitle(state), wakesLines(state, columns, main), columns);
    case "invocations":
      return titled(invocationsTitle(state), invocationsLines(state, columns, main), columns);
    case "packets":
      return titled(packetsTitle(state), packetsLines(state, columns, inner), columns);
    case "system":
    case "network":
    case "config":
      return area.type === "scroll" ? scrolled(state, area.area, columns, main) : [];
  }
}

/** Rows of the table that are out of sight. */
function hiddenNote(state: ConsoleState, { main }: Layout): Line {
  const { offset } = state.ui.table;
  const below = Math.max(0, displayRows(state).length - offset - Math.max(0, main - 1));
  const parts = [...(offset > 0 ? [`↑${offset}`] : []), ...(below > 0 ? [`↓${below}`] : [])];
  return tableNote(state, parts.join(" "));
}

/** Whose log or details the pane shows, and whether a log follows. */
export function paneTitle(state: ConsoleState, { lowerRows }: Layout): Line {
  return state.ui.pane === "logs" ? logTitle(state, "logs", lowerRows) : detailTitle(state);
}

/** The rule between the table and what is below it; `null` where there is nothing below. */
export function dividerLine(state: ConsoleState, layout: Layout): Line | null {
  if (layout.lower === null) return null;
  const ofTable = hiddenNote(state, layout);
  if (layout.lower === "rule") {
    const count = shownData(state).view?.functions.length ?? 0;
    return ruleLine(line(span(plural(count, "function"), "dim")), ofTable, layout.columns);
  }
  // The rule is also the title of what is below: without a word it would speak of that.
  const note = ofTable.spans.length === 0 ? ofTable : line(span("table: ", "dim"), ...ofTable.spans);
  if (layout.lower === "recent") return ruleLine(line(span("recent events", "dim")), note, layout.columns);
  return ruleLine(
    paneTitle(state, layout),
    note,
    layout.columns,
    state.ui.focus === "pane" ? "accent" : "dim",
  );
}

export function lowerLines(state: ConsoleState, { columns, lower, lowerRows }: Layout): readonly Line[] {
  if (lower === null || lower === "rule") return [];
  if (lower === "recent") return recentEvents(state, columns, lowerRows);
  if (state.ui.pane === "logs") return logLines(state, "logs", columns, lowerRows);
  return scrolled(state, "detail", columns, lowerRows);
}
