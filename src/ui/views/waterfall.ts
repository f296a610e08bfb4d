/** One wake as bars: when each of its parts began and how long it took, in microseconds. */
import type { NumberedWake } from "../../protocol/wakes.ts";
import { sparkline } from "../components/sparkline.ts";
import { line, span } from "../format/line.ts";
import type { Line, Role, Span } from "../format/line.ts";
import { formatClock, formatCount, formatMicros, formatMs, plural } from "../format/units.ts";
import { fit, wrapWords } from "../format/width.ts";
import { dominating, explainWake, phaseMeaning, phaseShares } from "./wake-words.ts";

const nameWidth = 10;
const figureWidth = 11;
const percentWidth = 6;
/** With less room the meaning of the parts is left out. */
const meaningFrom = 110;

/** A stroke from one time to another on a scale; at least one cell. */
function stroke(fromUs: number, us: number, wholeUs: number, width: number, role: Role): readonly Span[] {
  const cell = (at: number): number => Math.round((at / Math.max(1, wholeUs)) * width);
  const start = Math.min(width - 1, cell(fromUs));
  const length = Math.max(1, Math.min(width - start, cell(fromUs + us) - start));
  return [
    span(" ".repeat(start)),
    span("━".repeat(length), role),
    span(" ".repeat(Math.max(0, width - start - length))),
  ];
}

/** The parts as bars under one another, each beginning where the one before ended. */
export function phaseLines(wake: NumberedWake, width: number, least = 0): readonly Line[] {
  const shares = phaseShares(wake);
  const most = dominating(wake);
  const wholeUs = shares.reduce((sum, { us }) => sum + us, 0);
  const explained = width >= meaningFrom;
  const room = Math.max(8, width - nameWidth - figureWidth - percentWidth - 6);
  const barWidth = explained ? Math.min(48, Math.floor(room / 2)) : room;
  let at = 0;
  return shares.flatMap(({ phase, us, share }) => {
    const isMost = phase === most?.phase;
    const role: Role =
      phase === "handshake"
        ? "dim"
        : isMost
          ? wake.overBudget || wake.error !== null
            ? "warn"
            : "accent"
          : "calm";
    const bar = stroke(at, us, wholeUs, barWidth, role);
    at += us;
    if (share < least && !isMost) return [];
    return line(
      "  ",
      span(fit(phase, nameWidth), isMost ? "strong" : "text"),
      ...bar,
      span(fit(formatMicros(us), figureWidth, "right"), isMost ? "strong" : "text"),
      span(fit(phase === "handshake" ? "" : `${Math.round(share * 100)} %`, percentWidth, "right"), "dim"),
      ...(explained ? [span(`  ${phaseMeaning[phase]}`, "dim")] : []),
    );
  });
}

/** The wakes of a function as blocks against the budget of its restores. */
export function historyLine(wakes: readonly NumberedWake[], width: number): Line {
  const shown = wakes.slice(-Math.max(1, Math.min(50, width - 44)));
  const budgetMs = wakes.at(-1)?.budgetMs ?? 0;
  const times = shown.map(({ restoreMs, totalMs }) => restoreMs ?? totalMs);
  const top = Math.max(budgetMs, ...times);
  const blocks = Array.from(sparkline(times, times.length, top));
  return line(
    "  ",
    span(plural(shown.length, "wake").padEnd(nameWidth), "dim"),
    ...blocks.map((block, index) => {
      const wake = shown[index];
      return span(block, wake?.error !== null ? "bad" : wake.overBudget ? "warn" : "calm");
    }),
    span(
      `  budget ${budgetMs} ms is ${sparkline([budgetMs], 1, top)}, the slowest took ${formatMs(Math.max(...times))}`,
      "dim",
    ),
  );
}

function factsLine(wake: NumberedWake): Line {
  const { criu, cause, seenAtMs, tier } = wake;
  const facts = [
    `from ${tier}, by ${cause}, seen ${formatClock(seenAtMs, true)}`,
    ...(criu === null
      ? []
      : [
          `CRIU: fork ${formatMicros(criu.forkUs)}, restore ${formatMicros(criu.restoreUs)}, ${formatCount(criu.pagesRead)} pages read`,
        ]),
  ];
  return line("  ", span(facts.join("; "), "dim"));
}

export interface WakeContext {
  /** Wakes of the same function, oldest first. */
  readonly own: readonly NumberedWake[];
  /** How the pages of its snapshot come back. */
  readonly image: "stock" | "mapped" | null;
  readonly width: number;
  /** Rows there are; `null`: as many as wanted. */
  readonly rows: number | null;
}

/** Parts that take less than a hundredth of the wake are left out where there is no room. */
const leastShare = 0.01;

/** What the details of a wake say, the most telling first: what does not fit is cut at the end. */
export function wakeDetailLines(
  wake: NumberedWake,
  { own, image, width, rows }: WakeContext,
): readonly Line[] {
  const [verdict, ...rest] = explainWake(wake, own, image);
  const role: Role = wake.error !== null ? "bad" : wake.overBudget ? "warn" : "text";
  const room = Math.max(10, width - 4);
  const first = wrapWords(verdict ?? "", room).map((text) => line("  ", span(text, role)));
  const words = rest.length === 0 ? [] : wrapWords(rest.join(" "), room).map((text) => line("  ", text));
  const more = [...(own.length > 1 ? [historyLine(own, width)] : []), factsLine(wake)];
  const full = [...first, ...words, ...phaseLines(wake, width), ...more];
  if (rows === null || full.length - more.length <= rows) return full.slice(0, rows ?? full.length);
  // The bars tell at a glance what the words say at length.
  return [...first, ...phaseLines(wake, width, leastShare), ...words, ...more].slice(0, Math.max(0, rows));
}
