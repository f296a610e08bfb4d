/** Everything known about one function. */
import type { PublicFunctionConfig, ReadyRule } from "../../protocol/config.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { FunctionView, LatencyView } from "../../protocol/views.ts";
import { sparkline } from "../components/sparkline.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import {
  formatBytes,
  formatClock,
  formatCount,
  formatDeclaredMs,
  formatMs,
  plural,
} from "../format/units.ts";
import { fit } from "../format/width.ts";
import { selectedFunction, shownData } from "../store/select.ts";
import type { NumberedWake } from "../../protocol/wakes.ts";
import type { ConsoleState } from "../store/types.ts";
import { activityLooks, stateLooks } from "../theme/states.ts";
import { blockWidth, errorLines, field, heading, labelWidth, sideBySide } from "./blocks.ts";
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

/** The figures of restores and wakes under one another. */
function latencyLines(fn: FunctionView): readonly Line[] {
  const row = (name: string, { lastMs, p50Ms, p99Ms, count }: LatencyView): Line =>
    line(
      span(`  ${name.padEnd(labelWidth)}`, "dim"),
      ...[lastMs, p50Ms, p99Ms].map((ms) =>
        span(fit(formatMs(ms), 9, "right"), ms === null ? "dim" : "text"),
      ),
      span(fit(formatCount(count), 7, "right"), "dim"),
    );
  const titles = ["last", "median", "p99"].map((title) => fit(title, 9, "right")).join("");
  return [
    line(span(`  ${"LATENCY".padEnd(labelWidth)}${titles}${fit("of", 7, "right")}`, "heading")),
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
    return field(instance.id === fn.id ? "process" : instance.id, parts.join(", "), width);
  });
}

/** Where the time of the last wake went. */
function wakeLines(wakes: readonly NumberedWake[], budgetMs: number, width: number): readonly Line[] {
  const last = wakes.at(-1);
  if (last === undefined) return [];
  const restores = wakes.flatMap((wake) => wake.restoreMs ?? []);
  const rest =
    last.restoreMs === null
      ? ""
      : `: restore ${formatMs(last.restoreMs)} + hand-over ${formatMs(last.totalMs - last.restoreMs)}`;
  const lines = [...field("last wake", `${formatMs(last.totalMs)} from ${last.tier}${rest}`, width)];
  if (restores.length > 1) {
    const size = Math.min(restores.length, 24, width - 40);
    lines.push(
      ...field(
        "restores",
        [
          span(sparkline(restores, size, Math.max(budgetMs, ...restores)), "calm"),
          span(`  last ${size}, budget ${formatMs(budgetMs)}`, "dim"),
        ],
        width,
      ),
    );
  }
  return lines;
}

function live(fn: FunctionView, wakes: readonly NumberedWake[], width: number): readonly Line[] {
  const { snapshot } = fn;
  const counts = [
    plural(fn.wakes, "wake"),
    plural(fn.coldStarts, "cold start"),
    plural(fn.exits, "exit"),
    `${fn.violations} over budget`,
  ];
  return [
    heading("NOW"),
    ...field("state", stateSpans(fn), width),
    ...instanceLines(fn, width),
    ...field("port", fn.triggerPort === null ? "none declared" : String(fn.triggerPort), width),
    ...field("connections", `${fn.openConnections} open`, width),
    ...field("so far", counts.join(", "), width),
    emptyLine,
    ...latencyLines(fn),
    ...wakeLines(wakes, fn.config.restoreBudgetMs, width),
    emptyLine,
    heading("SNAPSHOT"),
    ...(snapshot === null
      ? field("image", "none yet: s makes one", width)
      : [
          ...field(
            "image",
            `${formatBytes(snapshot.sizeBytes)}, ${snapshot.golden ? "golden" : "of this sleep"}`,
            width,
          ),
          ...field(
            "memory",
            `${snapshot.image === "mapped" ? "mapped" : "read page by page"}: ${snapshot.imageReason}`,
            width,
          ),
          ...field("taken", `${formatClock(snapshot.atMs)}, dump ${formatMs(snapshot.dumpMs)}`, width),
          ...field(
            "trials",
            snapshot.trialMs === null ? "none" : `${formatMs(snapshot.trialMs)} median`,
            width,
          ),
        ]),
  ];
}

function readyText(rule: ReadyRule): string {
  switch (rule.kind) {
    case "handshake":
      return "READY over the handshake socket";
    case "port":
      return "listens on its port";
    case "http":
      return `answers GET ${rule.path}`;
    default:
      return assertNever(rule);
  }
}

function declared(config: PublicFunctionConfig, width: number): readonly Line[] {
  const { idle } = config;
  const user = config.user === null ? "as the engine" : `${config.user.name} (${config.user.uid})`;
  const rows: readonly (readonly [string, string])[] = [
    ["command", config.command.join(" ")],
    ["cwd", config.cwd],
    ["user", config.privileged ? `${user}, PRIVILEGED` : user],
    [
      "env",
      config.envNames.length === 0 ? "nothing declared" : `${config.envNames.join(", ")} (values hidden)`,
    ],
    ["memory limit", config.memoryLimitBytes === null ? "none" : formatBytes(config.memoryLimitBytes)],
    ["ready", `${readyText(config.ready)}, within ${formatDeclaredMs(config.readyTimeoutMs)}`],
    ["start", config.start],
    ["sleep", config.sleep === "keep" ? "keep: every sleep keeps memory" : "golden: always the first image"],
    [
      "idle",
      `suspend after ${formatDeclaredMs(idle.suspendAfterMs)}, snapshot after ${formatDeclaredMs(idle.snapshotAfterMs)}${idle.reclaim ? "; suspended, its memory goes to swap" : ""}`,
    ],
    ["connections", `${config.connections}${idle.ignoreOpen ? ", idle open ones ignored" : ""}`],
    ["budget", `${formatDeclaredMs(config.restoreBudgetMs)}, then ${config.onViolation}`],
    ["restore fails", config.onRestoreFailure === "fail" ? "fail" : "start cold"],
    [
      "warm-up",
      config.warmup.length === 0
        ? "none"
        : config.warmup.map(({ method, path }) => `${method} ${path}`).join(", "),
    ],
    ["stop", `${config.stopSignal}, then SIGKILL after ${formatDeclaredMs(config.stopTimeoutMs)}`],
  ];
  return [heading("DECLARED"), ...rows.flatMap(([label, value]) => field(label, value, width))];
}

export function detailLines(state: ConsoleState, width: number): readonly Line[] {
  const fn = selectedFunction(state);
  if (fn === null) return nothingYet("No function selected.", "Move in the table to choose one.");
  const wakes = shownData(state).wakesByFunction.get(fn.id) ?? [];
  const block = blockWidth(width);
  const error = fn.lastError === null ? [] : [...errorLines(fn.lastError, width), emptyLine];
  return [...error, ...sideBySide(live(fn, wakes, block), declared(fn.config, block), width)];
}

/** For the rule above the pane. */
export function detailTitle(state: ConsoleState): Line {
  const fn = selectedFunction(state);
  return line(span(fn?.id ?? "", "strong"), span(" details", "dim"));
}
