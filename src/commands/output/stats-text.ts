/** `aether stats` for people. */
import { sanitize } from "../../ui/format/sanitize.ts";
import { formatBytes, formatCount, formatMs } from "../../ui/format/units.ts";
import type { StatsReport } from "./stats-report.ts";
import { renderTable } from "./table.ts";
import type { Column } from "./table.ts";

const right = (title: string): Column => ({ title, align: "right" });
const columns: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  right("WAKES"),
  right("WAKE P50"),
  right("WAKE P99"),
  right("RESTORE P50"),
  right("RESTORE P99"),
  right("VIOLATIONS"),
  right("EXITS"),
  right("OPEN"),
  right("PACKETS"),
  right("MEMORY"),
  right("IMAGE"),
];

export function statsText(report: StatsReport, colors: boolean): string {
  const { engine, functions } = report;
  const rows = functions.map((each) =>
    [
      each.id,
      each.state,
      `${each.wakes}`,
      formatMs(each.wake.p50Ms),
      formatMs(each.wake.p99Ms),
      formatMs(each.restore.p50Ms),
      formatMs(each.restore.p99Ms),
      `${each.violations}`,
      `${each.exits}`,
      `${each.openConnections}`,
      formatCount(each.packets),
      formatBytes(each.memoryBytes),
      formatBytes(each.snapshot?.sizeBytes ?? null),
    ].map((text) => ({ text })),
  );
  const head = [
    `engine ${sanitize(engine.name)} (${sanitize(engine.version)}), process ${engine.pid}, ${engine.phase} since ${engine.startedAt}`,
    `configuration ${sanitize(engine.configFile ?? "from the command line")}, CRIU ${sanitize(engine.criuVersion)}`,
    ...engine.hostChanges.map(
      (change) => `changed on this machine until the engine ends: ${sanitize(change)}`,
    ),
    ...(engine.liveness === "silent"
      ? [`the engine has not been heard of for ${formatMs(engine.heartbeatAgeMs)}: it is stopped, or stuck`]
      : []),
  ];
  return [...head, "", renderTable(columns, rows, colors)].join("\n");
}
