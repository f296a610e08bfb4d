/** A plan for people: a line for every tier a function would have slept in, and where the figures come from. */
import { sanitize } from "../../ui/format/sanitize.ts";
import { formatBytes, formatMs, plural } from "../../ui/format/units.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import type { FunctionReport, PlanReport, WakeCost } from "./report.ts";

const right = (title: string): Column => ({ title, align: "right" });
const tierColumns: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  right("SLEPT"),
  right("WAKES"),
  right("WAKE P50"),
  right("WAKE P99"),
  right("TIME"),
];
const memoryColumns: readonly Column[] = [
  { title: "ID" },
  right("CONNECTIONS"),
  right("FOUND RUNNING"),
  right("MEMORY"),
  right("SNAPSHOT"),
  right("SAVED"),
  right("SAVED, GiB·h"),
];

/** A size that may be below zero, where snapshots take more than they free. */
function signed(bytes: number | null): string {
  if (bytes === null) return "unknown";
  return bytes < 0 ? `-${formatBytes(-bytes)}` : formatBytes(bytes);
}

const gibHours = (byteHours: number | null): string =>
  byteHours === null ? "unknown" : (byteHours / 2 ** 30).toFixed(3);

const share = (ms: number, spanMs: number): string =>
  spanMs === 0 ? "-" : `${((100 * ms) / spanMs).toFixed(1)} %`;

function time(cost: WakeCost, value: number | null): string {
  if (cost.wakes === 0) return "-";
  return value === null ? "unknown" : formatMs(value);
}

function tierRows(each: FunctionReport, spanMs: number): string[][] {
  const { sleeps, timeMs, cost } = each;
  const row = (state: string, slept: number | null, wake: WakeCost | null, ms: number): string[] => [
    "",
    state,
    slept === null ? "-" : String(slept),
    wake === null ? "-" : String(wake.wakes),
    wake === null ? "-" : time(wake, wake.p50Ms),
    wake === null ? "-" : time(wake, wake.p99Ms),
    share(ms, spanMs),
  ];
  const rows = [row("running", null, null, timeMs.running)];
  if (sleeps.suspended > 0) rows.push(row("suspended", sleeps.suspended, cost.suspended, timeMs.suspended));
  if (sleeps.snapshot > 0 || timeMs.snapshot > 0)
    rows.push(row("snapshot", sleeps.snapshot, cost.snapshot, timeMs.snapshot));
  if (timeMs.uninitialized > 0 || cost.cold.wakes > 0)
    rows.push(row("not started", null, cost.cold, timeMs.uninitialized));
  if (rows.length > 2) rows.push(row("all wakes", null, cost.all, spanMs));
  const [first] = rows;
  if (first !== undefined) first[0] = each.id;
  return rows;
}

/** Sources, each once, with the functions they are about. */
function sources(report: PlanReport): string[] {
  const found = new Map<string, Set<string>>();
  const note = (text: string, id: string): void => {
    const ids = found.get(text) ?? new Set<string>();
    found.set(text, ids.add(id));
  };
  for (const { id, cost, saved } of report.functions) {
    for (const tier of ["suspended", "snapshot", "cold"] as const)
      if (cost[tier].wakes > 0) note(`wake from ${tier}: ${cost[tier].source}`, id);
    note(
      `memory: ${saved.running?.source ?? "unknown; give it with --memory, or plan while the engine runs"}`,
      id,
    );
  }
  return [...found].map(([text, ids]) => `${text} (${[...ids].join(", ")})`);
}

export function planText(report: PlanReport, colors: boolean): string {
  const spanMs = report.toMs - report.fromMs;
  const cells = (rows: readonly (readonly string[])[]) => rows.map((row) => row.map((text) => ({ text })));
  const head = `${plural(report.lines, "line")} over ${formatMs(spanMs)} from ${sanitize(report.profile)}, against ${sanitize(report.config)}`;
  const undeclared = Object.entries(report.undeclared).map(
    ([id, lines]) => `not declared, left out: ${sanitize(id)} (${plural(lines, "line")})`,
  );
  const tiers = renderTable(
    tierColumns,
    cells(report.functions.flatMap((each) => tierRows(each, spanMs))),
    colors,
  );
  const memory = renderTable(
    memoryColumns,
    cells(
      report.functions.map(({ id, connections, foundRunning, saved }) => [
        id,
        String(connections),
        String(foundRunning),
        saved.running === null ? "unknown" : formatBytes(saved.running.bytes),
        saved.image === null ? "unknown" : formatBytes(saved.image.bytes),
        signed(saved.averageBytes),
        gibHours(saved.byteHours),
      ]),
    ),
    colors,
  );
  const total = `saved on average: ${signed(report.saved.averageBytes)}, ${gibHours(report.saved.byteHours)} GiB·h in all`;
  return [
    head,
    ...undeclared,
    "",
    tiers,
    "",
    memory,
    total,
    "",
    "Where the figures come from:",
    ...sources(report).map((line) => `  ${line}`),
  ].join("\n");
}
