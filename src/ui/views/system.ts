/** The machine and the engine: load, memory, storage, pool, what was changed on this host. */
import type { HostFigures } from "../../client/host-figures.ts";
import { metricsAddress } from "../../protocol/metrics-address.ts";
import { instanceStates } from "../../protocol/states.ts";
import type { EngineView } from "../../protocol/views.ts";
import { bar, sparkline } from "../components/sparkline.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Role, Span } from "../format/line.ts";
import { sanitize } from "../format/sanitize.ts";
import {
  formatAge,
  formatBytes,
  formatClock,
  formatCount,
  formatDeclaredMs,
  formatPercent,
  plural,
} from "../format/units.ts";
import { wrapWords } from "../format/width.ts";
import type { Keymap } from "../keys/keymap.ts";
import { shownData, totalMemory } from "../store/select.ts";
import type { Data } from "../store/data.ts";
import type { ConsoleState } from "../store/types.ts";
import { stateLooks } from "../theme/states.ts";
import { blockWidth, field, heading, labelWidth, sideBySide } from "./blocks.ts";
import { nothingYet } from "./empty.ts";

const sum = (values: readonly (number | null)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);

/** A bar, then words. From nine tenths on it is a warning. */
function gauge(used: number, total: number, width: number, text: string): readonly Span[] {
  const size = Math.max(6, Math.min(20, width - labelWidth - text.length - 6));
  const { filled, rest } = bar(used, total, size);
  const role: Role = total > 0 && used / total >= 0.9 ? "warn" : "calm";
  return [span(filled, role), span(rest, "dim"), span(`  ${text}`)];
}

function spark(values: readonly number[], top: number, width: number, text: string): readonly Span[] {
  const size = Math.max(6, Math.min(30, width - labelWidth - text.length - 6));
  return [span(sparkline(values, size, top), "calm"), span(`  ${text}`)];
}

function machineLines(host: HostFigures | null, width: number): readonly Line[] {
  if (host === null) return [heading("MACHINE"), line("  ", span("Looking …", "dim"))];
  const { cpuPercent, cores, load, memory, swap, storage, facts } = host;
  const used = memory === null ? 0 : memory.totalBytes - memory.availableBytes;
  return [
    heading("MACHINE"),
    ...(facts === null
      ? []
      : [
          ...field("system", sanitize(`${facts.os}, Linux ${facts.kernel}`), width),
          ...field(
            "processor",
            sanitize(
              `${facts.processor}, ${plural(facts.cores, "core")}${facts.virtual === null ? "" : `, virtual (${facts.virtual})`}`,
            ),
            width,
          ),
        ]),
    ...field(
      "cpu",
      spark(
        cpuPercent,
        100,
        width,
        `${formatPercent(cpuPercent.at(-1) ?? null)} of ${plural(cores, "core")}`,
      ),
      width,
    ),
    ...(load === null
      ? []
      : field(
          "load average",
          `${load.map((value) => value.toFixed(2)).join("  ")} over 1, 5, 15 min`,
          width,
        )),
    ...(memory === null
      ? []
      : field(
          "memory",
          gauge(used, memory.totalBytes, width, `${formatBytes(used)} of ${formatBytes(memory.totalBytes)}`),
          width,
        )),
    ...(swap === null
      ? []
      : field(
          "swap",
          swap.totalBytes === 0
            ? "none"
            : gauge(
                swap.totalBytes - swap.freeBytes,
                swap.totalBytes,
                width,
                `${formatBytes(swap.totalBytes - swap.freeBytes)} of ${formatBytes(swap.totalBytes)}`,
              ),
          width,
        )),
    ...(storage === null
      ? []
      : field(
          "storage",
          gauge(
            storage.totalBytes - storage.freeBytes,
            storage.totalBytes,
            width,
            `${formatBytes(storage.freeBytes)} free in ${sanitize(storage.path)}`,
          ),
          width,
        )),
  ];
}

/** From this age of the last beat on, the engine is stuck or stopped: it beats ten times a second. */
const silentMs = 2_000;

function pulseLines({ figures }: Data, width: number): readonly Line[] {
  if (figures === null) return [];
  const { memoryBytes, cpuPercent } = figures.engine;
  const beat =
    figures.heartbeatAgeMs > silentMs
      ? [span(`! silent for ${formatAge(figures.heartbeatAgeMs)}: stuck, or stopped`, "warn")]
      : [span("● ", "good"), span("beats, ten times a second")];
  const top = Math.max(10, ...cpuPercent);
  return [
    ...field("pulse", beat, width),
    ...field(
      "cpu",
      spark(cpuPercent, top, width, `${formatPercent(cpuPercent.at(-1) ?? null)} of a core`),
      width,
    ),
    ...field("memory", formatBytes(memoryBytes), width),
  ];
}

function engineFacts(
  { engine }: EngineView,
  { mode, figures }: Data,
  keymap: Keymap,
  width: number,
): readonly Line[] {
  const { config } = engine;
  const up = figures === null ? "" : `, ${formatAge(figures.atMs - engine.startedAtMs)} ago`;
  return [
    ...field("name", `${engine.name}, Aether ${engine.version}, CRIU ${engine.criuVersion}`, width),
    ...field(
      "process",
      `pid ${engine.pid}, ${mode === "attached" ? "on its own: leaving does not stop it" : "this one: it ends when you leave"}`,
      width,
    ),
    ...field("started", `${formatClock(engine.startedAtMs)}${up}`, width),
    ...field("config", engine.configFile ?? "none: started by aether run", width),
    ...field(
      "snapshots in",
      `${config.snapshotDir}${config.keepSnapshots ? ", kept when the engine ends" : ""}`,
      width,
    ),
    ...field("budget", `${formatDeclaredMs(config.restoreBudgetMs)}, then ${config.onViolation}`, width),
    ...field(
      "metrics",
      config.metrics === null ? "off" : `http://${metricsAddress(config.metrics)}/metrics`,
      width,
    ),
    ...field(
      "data plane",
      engine.dataPlane === null
        ? `off (${keymap.keyOf("view-network")} says how to switch it on)`
        : engine.dataPlane.interfaces.map(({ name, mode: how }) => `${name} (${how})`).join(", "),
      width,
    ),
  ];
}

function functionFacts({ engine, functions }: EngineView, { figures }: Data, width: number): readonly Line[] {
  const idle = sum(functions.filter(({ state }) => state !== "Uninitialized").map((fn) => totalMemory(fn)));
  const { memoryBudgetBytes, maxParallelRestores } = engine.config;
  const prepared = functions.filter(({ prepared: count }) => count > 0).length;
  const restored = functions.filter(({ restoredAhead }) => restoredAhead).length;
  const failed = figures === null ? 0 : figures.totals.wakesFailed;
  const count = (value: number, bad: Role): readonly Span[] => [
    span(formatCount(value), value === 0 ? "dim" : bad),
  ];
  return [
    heading("FUNCTIONS"),
    ...instanceStates.toReversed().flatMap((name) => {
      const look = stateLooks[name];
      const found = functions.filter((fn) => fn.state === name).length;
      return field(
        name,
        [span(`${look.glyph} `, look.role), span(String(found), found === 0 ? "dim" : "text")],
        width,
      );
    }),
    ...field("memory", formatBytes(sum(functions.map((fn) => totalMemory(fn)))), width),
    ...(memoryBudgetBytes === null
      ? []
      : field(
          "of its budget",
          gauge(
            idle,
            memoryBudgetBytes,
            width,
            `${formatBytes(memoryBudgetBytes)} for idle and suspended ones`,
          ),
          width,
        )),
    ...field("snapshots", formatBytes(sum(functions.map((fn) => fn.snapshot?.sizeBytes ?? null))), width),
    ...field(
      "prepared",
      `${plural(sum(functions.map((fn) => fn.prepared)), "wake")} of ${plural(prepared, "function")}, ${restored} restored ahead; ${maxParallelRestores} restores at once`,
      width,
    ),
    ...field("wakes", count(sum(functions.map((fn) => fn.wakes)), "text"), width),
    ...field("failed wakes", count(failed, "bad"), width),
    ...field("cold starts", count(sum(functions.map((fn) => fn.coldStarts)), "text"), width),
    ...field("late restores", count(sum(functions.map((fn) => fn.violations)), "warn"), width),
  ];
}

function errorCounts({ figures }: Data): readonly Line[] {
  const errors = (figures?.errors ?? []).toSorted((a, b) => b.count - a.count);
  if (errors.length === 0) return [];
  return [
    emptyLine,
    heading("ERRORS SO FAR, BY CODE"),
    ...errors.map(({ code, count }) =>
      line("  ", span(formatCount(count).padStart(6), "bad"), `  ${sanitize(code)}`),
    ),
  ];
}

export function systemLines(state: ConsoleState, width: number): readonly Line[] {
  const data = shownData(state);
  const { view, engineName, host } = data;
  if (view === null)
    return nothingYet(`Waiting for the engine ${engineName} …`, "Its first state has not come yet.");
  const { hostChanges } = view.engine;
  const block = blockWidth(width);
  const left = [
    ...machineLines(host, block),
    emptyLine,
    heading("ENGINE"),
    ...pulseLines(data, block),
    ...engineFacts(view, data, state.ui.keymap, block),
  ];
  const right = [...functionFacts(view, data, block), ...errorCounts(data)];
  const changes =
    hostChanges.length === 0
      ? [line("  Nothing on this host was changed.")]
      : hostChanges.flatMap((change) =>
          wrapWords(change, width - 6).map((text, index) =>
            line(span(index === 0 ? "  • " : "    ", "accent"), text),
          ),
        );
  return [
    ...sideBySide(left, right, width),
    emptyLine,
    heading("CHANGED ON THIS HOST, PUT BACK ON LEAVING"),
    ...changes,
  ];
}
