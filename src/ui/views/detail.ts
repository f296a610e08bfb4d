/** Everything known about one function. */
import type { FunctionView, LatencyView } from "../../protocol/views.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import {
  formatAge,
  formatBytes,
  formatClock,
  formatCount,
  formatDeclaredMs,
  formatMs,
  plural,
} from "../format/units.ts";
import { fit } from "../format/width.ts";
import type { Keymap } from "../keys/keymap.ts";
import { selectedFunction, shownData } from "../store/select.ts";
import type { Data } from "../store/data.ts";
import { declaredLines } from "./detail-config.ts";
import { errorSection, stepSection, wakeSection } from "./detail-history.ts";
import type { ConsoleState } from "../store/types.ts";
import { activityLooks, stateLooks } from "../theme/states.ts";
import { blockWidth, errorLines, field, heading, sideBySide } from "./blocks.ts";
import { nothingYet } from "./empty.ts";

function stateSpans(fn: FunctionView): Span[] {
  const look = stateLooks[fn.state];
  const activity = fn.activity === null ? null : activityLooks[fn.activity];
  return [
    span(`${look.glyph} ${fn.state}`, look.role),
    span(` since ${formatClock(fn.stateSinceMs)}`, "dim"),
    ...(activity === null ? [] : [span(`  ${activity.glyph} ${fn.activity ?? ""}`, activity.role)]),
  ];
}

/** Narrower than other labels: five columns of figures follow. */
const latencyLabel = 9;

/** The figures of restores and wakes under one another. */
function latencyLines(fn: FunctionView): readonly Line[] {
  const row = (name: string, { lastMs, p50Ms, p95Ms, p99Ms, count }: LatencyView): Line =>
    line(
      span(`  ${name.padEnd(latencyLabel)}`, "dim"),
      ...[lastMs, p50Ms, p95Ms, p99Ms].map((ms) =>
        span(fit(formatMs(ms), 9, "right"), ms === null ? "dim" : "text"),
      ),
      span(fit(formatCount(count), 7, "right"), "dim"),
    );
  const titles = ["last", "median", "p95", "p99"].map((title) => fit(title, 9, "right")).join("");
  return [
    line(span(`  ${"LATENCY".padEnd(latencyLabel)}${titles}${fit("of", 7, "right")}`, "heading")),
    row("restore", fn.restore),
    row("wake", fn.wake),
  ];
}

function instanceLines(fn: FunctionView, width: number): readonly Line[] {
  return fn.instances.flatMap((instance) => {
    const parts = [
      instance.pid === null ? "no process" : `pid ${instance.pid}`,
      formatBytes(instance.memoryBytes),
      `${formatMs(instance.cpuMs)} cpu`,
    ];
    return field(fn.instances.length === 1 ? "process" : instance.id, parts.join(", "), width);
  });
}

function live(fn: FunctionView, data: Data, keymap: Keymap, width: number): readonly Line[] {
  const { snapshot } = fn;
  const nowMs = data.figures?.atMs ?? null;
  const known = data.figures?.functions.get(fn.id) ?? null;
  const counts = [
    plural(fn.wakes, "wake"),
    plural(fn.coldStarts, "cold start"),
    plural(fn.exits, "exit"),
    ...(known === null || known.wakesFailed === 0 ? [] : [plural(known.wakesFailed, "failed wake")]),
    `${fn.violations} over budget, trials too`,
  ];
  return [
    heading("NOW"),
    ...field("state", stateSpans(fn), width),
    ...instanceLines(fn, width),
    ...field("port", fn.triggerPort === null ? "none declared" : String(fn.triggerPort), width),
    ...field("connections", `${fn.openConnections} open${connectionsNote(fn)}`, width),
    ...field(
      "prepared",
      fn.prepared === 0
        ? "no wake is prepared"
        : `${plural(fn.prepared, "wake")} ahead${fn.restoredAhead ? ", restored up to its first instruction" : ""}`,
      width,
    ),
    ...(known === null || known.totals.packets === 0
      ? []
      : field(
          "packets",
          `${formatCount(known.totals.packets)}, ${formatBytes(known.totals.bytes)}, ${plural(known.totals.syns, "connection")}, ${known.totals.drops} dropped`,
          width,
        )),
    ...field("so far", counts.join(", "), width),
    emptyLine,
    ...latencyLines(fn),
    emptyLine,
    heading("SNAPSHOT"),
    ...(snapshot === null
      ? field("image", `none yet: ${keymap.keyOf("snapshot")} makes one`, width)
      : [
          ...field(
            "image",
            `${formatBytes(snapshot.sizeBytes)}, ${snapshot.golden ? "golden: every wake starts from it" : "of its last sleep"}`,
            width,
          ),
          ...field(
            "memory",
            `${snapshot.image === "mapped" ? "mapped" : "read page by page"}: ${snapshot.imageReason}`,
            width,
          ),
          ...field(
            "taken",
            `${formatClock(snapshot.atMs)}${nowMs === null ? "" : `, ${formatAge(nowMs - snapshot.atMs)} ago`}, dump ${formatMs(snapshot.dumpMs)}`,
            width,
          ),
          ...field(
            "trials",
            snapshot.trialMs === null ? "none" : `${formatMs(snapshot.trialMs)} median`,
            width,
          ),
        ]),
  ];
}

/** What open connections mean for its sleep. */
function connectionsNote({ openConnections, config, state }: FunctionView): string {
  if (openConnections === 0 || state !== "Running") return "";
  return config.idle.ignoreOpen ? ", which do not keep it awake" : ", which keep it awake";
}

/** The stats region has no text: what is declared is not known there. */
function declaration(data: Data, { config }: FunctionView, width: number): readonly Line[] {
  if (!data.numbersOnly) return declaredLines(config, width);
  return [
    heading("DECLARED"),
    ...field("budget", formatDeclaredMs(config.restoreBudgetMs), width),
    ...field("the rest", "not in shared memory", width),
  ];
}

export function detailLines(state: ConsoleState, width: number): readonly Line[] {
  const fn = selectedFunction(state);
  if (fn === null) return nothingYet("No function selected.", "Move in the table to choose one.");
  const data = shownData(state);
  const { keymap } = state.ui;
  const wakes = data.wakesByFunction.get(fn.id) ?? [];
  const history = data.history.get(fn.id) ?? [];
  const block = blockWidth(width);
  const error = fn.lastError === null ? [] : [...errorLines(fn.lastError, width), emptyLine];
  return [
    ...error,
    ...sideBySide(live(fn, data, keymap, block), declaration(data, fn, block), width),
    emptyLine,
    ...wakeSection(fn, wakes, keymap, width),
    emptyLine,
    ...stepSection(history, width),
    ...errorSection(fn, history, width),
  ];
}

/** For the rule above the pane. */
export function detailTitle(state: ConsoleState): Line {
  const fn = selectedFunction(state);
  return line(span(fn?.id ?? "", "strong"), span(" details", "dim"));
}
