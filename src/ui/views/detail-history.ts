/** What happened to one function: its last wake and those before, its steps, its errors. */
import { describeEvent } from "../../protocol/events.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import type { FunctionView } from "../../protocol/views.ts";
import type { NumberedWake } from "../../protocol/wakes.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { sanitize } from "../format/sanitize.ts";
import { formatClock, formatMs, unknown } from "../format/units.ts";
import { fit, wrapWords } from "../format/width.ts";
import type { Keymap } from "../keys/keymap.ts";
import { stateLooks } from "../theme/states.ts";
import { errorLines, heading } from "./blocks.ts";
import { dominating } from "./wake-words.ts";
import { wakeDetailLines } from "./waterfall.ts";

const shownSteps = 12;
const shownErrors = 3;
const shownWakes = 6;

/** The last wake in full, and one line for each of those before. */
export function wakeSection(
  fn: FunctionView,
  wakes: readonly NumberedWake[],
  keymap: Keymap,
  width: number,
): readonly Line[] {
  const last = wakes.at(-1);
  if (last === undefined)
    return [
      heading("WAKES"),
      line("  ", span(`None yet: connect to its port, or press ${keymap.keyOf("wake")}.`, "dim")),
    ];
  const before = wakes.slice(-shownWakes - 1, -1).toReversed();
  return [
    line("  ", span("LAST WAKE", "heading"), span(`  ${formatMs(last.totalMs)}`, "strong")),
    ...wakeDetailLines(last, { own: wakes, image: fn.snapshot?.image ?? null, width, rows: null }),
    ...(before.length === 0 ? [] : [emptyLine, heading("WAKES BEFORE")]),
    ...before.map((wake) => {
      const most = dominating(wake);
      const result = wake.error ?? (wake.overBudget ? "over budget" : "");
      return line(
        span(`  ${formatClock(wake.atMs, true)}  `, "dim"),
        span(fit(wake.tier, 10)),
        span(fit(formatMs(wake.totalMs), 9, "right"), "strong"),
        span(`  ${fit(most === null ? unknown : `mostly ${most.phase}`, 18)}`, "dim"),
        span(result, wake.error === null ? "warn" : "bad"),
      );
    }),
  ];
}

function stepLine(event: EngineEvent, width: number): Line | null {
  switch (event.type) {
    case "transition": {
      const look = stateLooks[event.to];
      return line(
        span(`  ${formatClock(event.atMs)}  `, "dim"),
        span(`${look.glyph} `, look.role),
        span(fit(`${event.from} → ${event.to}`, 30)),
        span(fit(formatMs(event.durationMs), 9, "right")),
        span(`  ${event.cause}`, "dim"),
      );
    }
    case "exit":
    case "reclaim":
    case "notice": {
      const text = sanitize(describeEvent(event)).replace(/^[^:]+: /, "");
      const role = event.type === "exit" && !event.expected ? "warn" : "text";
      return line(
        span(`  ${formatClock(event.atMs)}  `, "dim"),
        span("· ", "dim"),
        span(wrapWords(text, Math.max(10, width - 15))[0] ?? "", role),
      );
    }
    default:
      return null;
  }
}

/** The steps of its life, newest first. */
export function stepSection(history: readonly EngineEvent[], width: number): readonly Line[] {
  const steps = history
    .toReversed()
    .map((event) => stepLine(event, width))
    .filter((each) => each !== null)
    .slice(0, shownSteps);
  return [
    heading("STATE HISTORY"),
    ...(steps.length === 0 ? [line("  ", span("Nothing since this console opened.", "dim"))] : steps),
  ];
}

/** Errors before the last one, which stands at the top; each with what to do. */
export function errorSection(
  fn: FunctionView,
  history: readonly EngineEvent[],
  width: number,
): readonly Line[] {
  const errors = history
    .flatMap((event) => (event.type === "error" ? [event] : []))
    .filter((_, index, all) => fn.lastError === null || index < all.length - 1)
    .slice(-shownErrors)
    .toReversed();
  if (errors.length === 0) return [];
  return [
    emptyLine,
    heading("ERRORS BEFORE"),
    ...errors.flatMap(({ atMs, error }) => [
      line(span(`  ${formatClock(atMs)}`, "dim")),
      ...errorLines(error, width),
    ]),
  ];
}
