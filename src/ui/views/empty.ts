/** What stands where nothing is yet: what it means, and what to do. */
import { emptyLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { parseFilter } from "../store/filter.ts";
import { shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { truncateStart } from "../format/width.ts";

export function noFunctions(state: ConsoleState, width: number): readonly Line[] {
  const { view, engineName } = shownData(state);
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

export function nothingFound(text: string): readonly Line[] {
  const filter = parseFilter(text);
  return [
    emptyLine,
    filter.kind === "broken"
      ? line("  ", span(text, "strong"), " is no regular expression: ", span(filter.why, "bad"))
      : line("  No function matches ", span(text, "strong"), "."),
    line(
      "  ",
      span("/", "key"),
      span(" changes the filter, ", "dim"),
      span("Esc", "key"),
      span(" removes it.", "dim"),
    ),
  ];
}

export function nothingYet(text: string, hint: string): readonly Line[] {
  return [emptyLine, line("  ", span(text, "strong")), line("  ", span(hint, "dim"))];
}
