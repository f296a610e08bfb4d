/** What stands where nothing is yet: what it means, and what to do. */
import { emptyLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { parseFilter } from "../store/filter.ts";
import { shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import type { LinkState } from "../../client/link.ts";
import { sanitize } from "../format/sanitize.ts";
import { formatClock } from "../format/units.ts";
import { truncateStart, wrapWords } from "../format/width.ts";
import type { Keymap } from "../keys/keymap.ts";

export function noFunctions(state: ConsoleState, width: number): readonly Line[] {
  const { view, engineName } = shownData(state);
  const { link } = state.data;
  if (link.type === "lost") return goneLines(link, engineName, width);
  if (view === null) return [emptyLine, line("  ", span(`Waiting for the engine ${engineName} …`, "dim"))];
  const file = view.engine.configFile;
  const where = file === null ? "the configuration" : truncateStart(file, Math.max(10, width - 40));
  return [
    emptyLine,
    line("  ", span("No functions yet.", "strong"), " Any server process can be one. Declare it in"),
    line("  ", span(where, "accent"), " and save: it is taken at once."),
    emptyLine,
    line("      ", span("functions:", "dim")),
    line("        ", span("- id: hello", "dim")),
    line("          ", span("command: python3 -m http.server 8080", "dim")),
    line("          ", span("trigger_port: 8080", "dim")),
    line("          ", span("ready: port", "dim")),
  ];
}

/** The engine is gone: why, and what happens now. */
function goneLines(
  { atMs, error }: Extract<LinkState, { type: "lost" }>,
  engineName: string,
  width: number,
): readonly Line[] {
  const texts =
    error === null
      ? ["It ended in order."]
      : [`${error.code} ${error.what}`, ...(error.why === null ? [] : [error.why])];
  return [
    emptyLine,
    line("  ", span(`The engine ${engineName} is gone since ${formatClock(atMs)}.`, "bad")),
    ...texts.flatMap((text) => wrapWords(sanitize(text), width - 4)).map((text) => line("  ", text)),
    emptyLine,
    line("  ", span("It is looked for, and shown again when it is back: `aether up -d` starts it.", "dim")),
    line(
      "  ",
      span("What it wrote and what happened until then stay in the views of logs and events.", "dim"),
    ),
  ];
}

export function nothingFound(text: string, keymap: Keymap): readonly Line[] {
  const filter = parseFilter(text);
  return [
    emptyLine,
    filter.kind === "broken"
      ? line("  ", span(text, "strong"), " is no regular expression: ", span(filter.why, "bad"))
      : line("  No function matches ", span(text, "strong"), "."),
    line(
      "  ",
      span(keymap.keyOf("filter"), "key"),
      span(" changes the filter, ", "dim"),
      span(keymap.keyOf("back"), "key"),
      span(" removes it.", "dim"),
    ),
  ];
}

export function nothingYet(text: string, hint: string): readonly Line[] {
  return [emptyLine, line("  ", span(text, "strong")), line("  ", span(hint, "dim"))];
}
