/** The engine: what it is, what it holds, what it changed on this host. */
import { metricsAddress } from "../../protocol/metrics-address.ts";
import { instanceStates } from "../../protocol/states.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { formatBytes, formatClock, formatCount, formatDeclaredMs } from "../format/units.ts";
import { wrapWords } from "../format/width.ts";
import { shownData, totalMemory } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { stateLooks } from "../theme/states.ts";
import { blockWidth, field, heading, sideBySide } from "./blocks.ts";
import { nothingYet } from "./empty.ts";

const sum = (values: readonly (number | null)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);

export function systemLines(state: ConsoleState, width: number): readonly Line[] {
  const { view, mode, engineName } = shownData(state);
  if (view === null)
    return nothingYet(`Waiting for the engine ${engineName} …`, "Its first state has not come yet.");
  const { engine, functions } = view;
  const block = blockWidth(width);
  const { config } = engine;
  const left = [
    heading("ENGINE"),
    ...field("name", engine.name, block),
    ...field(
      "process",
      `pid ${engine.pid}, ${mode === "attached" ? "on its own: leaving does not stop it" : "this one: it ends when you leave"}`,
      block,
    ),
    ...field("version", engine.version, block),
    ...field("CRIU", engine.criuVersion, block),
    ...field("started", formatClock(engine.startedAtMs), block),
    ...field("config", engine.configFile ?? "none: started by aether run", block),
    ...field(
      "snapshots",
      `${config.snapshotDir}${config.keepSnapshots ? ", kept when the engine ends" : ""}`,
      block,
    ),
    ...field("budget", `${formatDeclaredMs(config.restoreBudgetMs)}, then ${config.onViolation}`, block),
    ...field("restores", `${config.maxParallelRestores} at once`, block),
    ...(config.memoryBudgetBytes === null
      ? []
      : field("memory budget", `${formatBytes(config.memoryBudgetBytes)} of idle functions`, block)),
    ...field(
      "metrics",
      config.metrics === null ? "off" : `http://${metricsAddress(config.metrics)}/metrics`,
      block,
    ),
  ];
  const right = [
    heading("ALL FUNCTIONS"),
    ...instanceStates.toReversed().flatMap((name) => {
      const look = stateLooks[name];
      const count = functions.filter((fn) => fn.state === name).length;
      return field(
        name,
        [span(`${look.glyph} `, look.role), span(String(count), count === 0 ? "dim" : "text")],
        block,
      );
    }),
    ...field("memory", formatBytes(sum(functions.map((fn) => totalMemory(fn)))), block),
    ...field("snapshots", formatBytes(sum(functions.map((fn) => fn.snapshot?.sizeBytes ?? null))), block),
    ...field("wakes", formatCount(sum(functions.map((fn) => fn.wakes))), block),
    ...field("cold starts", formatCount(sum(functions.map((fn) => fn.coldStarts))), block),
    ...field("over budget", formatCount(sum(functions.map((fn) => fn.violations))), block),
  ];
  const changes =
    engine.hostChanges.length === 0
      ? [line("  Nothing on this host was changed.")]
      : engine.hostChanges.flatMap((change) =>
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
