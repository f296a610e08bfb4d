/** `aether stats` for people. */
import { sanitize } from "../../ui/format/sanitize.ts";
import { formatBytes, formatMs } from "../../ui/format/units.ts";
import type { statsReport } from "../stats.ts";
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
  right("MEMORY"),
  right("IMAGE"),
];

export function statsText(report: ReturnType<typeof statsReport>, colors: boolean): string {
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
      formatBytes(each.memoryBytes),
      formatBytes(each.snapshot?.sizeBytes ?? null),
    ].map((text) => ({ text })),
  );
  const head = [
    `engine ${engine.name} (${engine.version}), process ${engine.pid}, ${engine.phase} since ${engine.startedAt}`,
    `configuration ${sanitize(engine.configFile ?? "from the command line")}, CRIU ${sanitize(engine.criuVersion)}`,
    ...engine.hostChanges.map(
      (change) => `changed on this machine until the engine ends: ${sanitize(change)}`,
    ),
  ];
  return [...head, "", renderTable(columns, rows, colors)].join("\n");
}
