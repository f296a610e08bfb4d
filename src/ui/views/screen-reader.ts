/** The console as plain labelled lines: no glyphs, no columns, what matters first. */
import { describeEvent } from "../../protocol/events.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { emptyLine, line, plainText } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { formatBytes, formatMs, plural } from "../format/units.ts";
import { sanitize } from "../format/sanitize.ts";
import { titleRows } from "../store/layout.ts";
import type { Layout } from "../store/layout.ts";
import { displayRows, focusedArea, shownData, totalMemory } from "../store/select.ts";
import type { Area } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { hintLine } from "../components/hint-line.ts";
import { tableNote } from "./functions.ts";
import { lowerLines, mainLines, paneTitle } from "./main.ts";
import { cutParts, spokenRows } from "./spoken-parts.ts";
import type { Part } from "./spoken-parts.ts";

function functionSentence(fn: FunctionView, marked: boolean): string {
  const parts = [
    fn.id,
    ...(marked ? ["marked"] : []),
    fn.state + (fn.activity === null ? "" : `, ${fn.activity}`),
    ...(fn.triggerPort === null ? [] : [`port ${fn.triggerPort}`]),
    plural(fn.wakes, "wake"),
    ...(fn.restore.lastMs === null ? [] : [`last restore ${formatMs(fn.restore.lastMs)}`]),
    ...(totalMemory(fn) === null ? [] : [`memory ${formatBytes(totalMemory(fn))}`]),
    ...(fn.lastError === null ? [] : [`error ${fn.lastError.code}: ${fn.lastError.what}`]),
  ];
  return `${parts.join(", ")}.`;
}

function statusSentence(state: ConsoleState): string {
  const { view, engineName, mode } = shownData(state);
  if (view === null) return `Waiting for the engine ${engineName}.`;
  const { phase, readyCount } = view.engine;
  const where = mode === "attached" ? "attached" : "in this process";
  const progress = phase === "starting" ? `, ${readyCount} of ${view.functions.length} functions ready` : "";
  return `Aether engine ${engineName}, ${where}, ${phase}${progress}. View: ${state.ui.help ? "help" : state.ui.view}.`;
}

/** Without borders and padding; lines of which nothing is left are left out. */
const spoken = (lines: readonly Line[]): readonly Line[] =>
  lines.flatMap((each) => {
    const text = plainText(each)
      .replaceAll(/[─━│┃║▌▏▐█▒┆]+/g, " ")
      .replaceAll("▶", "cursor: ")
      .replaceAll("◆", "marked: ")
      .replaceAll("›", "found: ")
      .replaceAll("✗", "error: ")
      .replaceAll("⏎", "Enter")
      // Glyphs of states stand beside their words, and small charts beside their figures.
      .replaceAll(/[●◐○·▸▾▴▪▁-▇]/g, " ")
      .trim()
      .replaceAll(/ {2,}/g, ", ");
    return text === "" ? [] : [{ ...line(text), selected: each.selected }];
  });

const labelled = (label: string, text: Line): readonly Line[] =>
  spoken([text]).map((each) => line(`${label}: ${plainText(each)}`));

/** How many functions there are, how they are filtered and ordered; then each as a sentence. */
function tablePart(state: ConsoleState, layout: Layout): Part {
  const { selectedId, offset } = state.ui.table;
  const count = shownData(state).view?.functions.length ?? 0;
  const about = line(plural(count, "function"), "  ", ...tableNote(state, "").spans);
  const lines = displayRows(state)
    .slice(offset, offset + Math.max(1, layout.main - 1))
    .filter(({ instance }) => instance === null)
    .map(({ fn }) => ({
      ...line(functionSentence(fn, state.ui.marked.has(fn.id))),
      selected: fn.id === selectedId,
    }));
  const body = lines.length > 0 ? lines : spoken(mainLines(state, layout));
  return { head: labelled("Table", about), body, follows: false };
}

function mainPart(state: ConsoleState, layout: Layout): Part {
  if (state.ui.view === "functions" && !state.ui.help) return tablePart(state, layout);
  const lines = mainLines(state, layout);
  const titles = titleRows(state);
  return {
    head: spoken(lines.slice(0, titles)),
    body: spoken(lines.slice(titles)),
    follows: isFollowing(state, focusedArea(state)),
  };
}

function panePart(state: ConsoleState, layout: Layout): Part | null {
  if (layout.lower !== "pane") return null;
  return {
    head: labelled("Pane", paneTitle(state, layout)),
    body: spoken(lowerLines(state, layout)),
    follows: state.ui.pane === "logs" && state.ui.feeds.logs.follow,
  };
}

const isFollowing = ({ ui }: ConsoleState, area: Area): boolean =>
  area.type === "feed" && ui.feeds[area.area].follow;

/** The whole screen from the top: what it is, what it shows, what was said and what the keys do. */
export function screenReaderLines(state: ConsoleState, layout: Layout): readonly Line[] {
  const { columns, rows, focus } = state.ui;
  const newest = shownData(state).events.at(-1);
  const tail = [
    ...(newest === undefined ? [] : [line(`Newest event: ${sanitize(describeEvent(newest))}.`)]),
    ...spoken(layout.toast),
    ...spoken(layout.drawer),
    line(`Keys: ${plainText(spoken([hintLine(state)])[0] ?? emptyLine)}`),
  ];
  const head = line(statusSentence(state));
  const room = rows - 1 - spokenRows([head, ...tail], columns);
  const main = mainPart(state, layout);
  const pane = panePart(state, layout);
  // What has the focus is heard whole, as far as there is room; of the other what is left.
  const parts = pane === null ? [main] : layout.main === 0 ? [pane] : [main, pane];
  const body = cutParts(parts, focus === "pane" ? parts.length - 1 : 0, room, columns);
  return [head, ...body, ...tail].slice(-Math.max(1, rows - 1));
}
