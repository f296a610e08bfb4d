/** The console as plain labelled lines: no glyphs, no columns, what matters first. */
import { describeEvent } from "../../protocol/events.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { line, plainText } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { formatBytes, formatMs, plural } from "../format/units.ts";
import { sanitize } from "../format/sanitize.ts";
import type { Layout } from "../store/layout.ts";
import { shownData, tableRows, totalMemory } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { hintLine } from "../components/hint-line.ts";
import { mainLines, lowerLines } from "./main.ts";

function functionSentence(fn: FunctionView, selected: boolean): string {
  const parts = [
    `${selected ? "Selected: " : ""}${fn.id}`,
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

/** Without borders and padding. */
const spoken = (lines: readonly Line[]): readonly string[] =>
  lines
    .map((each) =>
      plainText(each)
        .replaceAll(/[─━│┃║▌▏▐█▒┆]+/g, " ")
        .replaceAll("▶", "cursor: ")
        .replaceAll("◆", "marked: ")
        .replaceAll("›", "found: ")
        .replaceAll("✗", "error: ")
        .replaceAll("⏎", "Enter")
        // Glyphs of states stand beside their words, and small charts beside their figures.
        .replaceAll(/[●◐○·▸▾▴▪▁-▇]/g, " ")
        .trim()
        .replaceAll(/ {2,}/g, ", "),
    )
    .filter((text) => text !== "");

export function screenReaderLines(state: ConsoleState, layout: Layout): readonly Line[] {
  const { ui } = state;
  const { events } = shownData(state);
  const body =
    ui.view === "functions" && !ui.help
      ? tableRows(state)
          .slice(ui.table.offset, ui.table.offset + Math.max(1, layout.main - 1))
          .map((fn) => functionSentence(fn, fn.id === ui.table.selectedId))
      : spoken(mainLines(state, layout));
  const pane =
    layout.lower === "pane" ? [`Pane: ${ui.pane ?? ""}.`, ...spoken(lowerLines(state, layout))] : [];
  const newest = events.at(-1);
  const texts = [
    statusSentence(state),
    ...body,
    ...pane,
    ...(newest === undefined ? [] : [`Newest event: ${sanitize(describeEvent(newest))}.`]),
    ...spoken(layout.toast),
    ...spoken(layout.drawer),
    `Keys: ${spoken([hintLine(state)]).join(" ")}`,
  ];
  return texts.slice(0, Math.max(1, ui.rows - 1)).map((text) => line(text));
}
