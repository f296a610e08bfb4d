/** The table of `aether ps`. */
import type { FunctionView } from "../../protocol/views.ts";
import { formatMs, unknown } from "../../ui/format/units.ts";
import { stateStyles } from "./style.ts";
import { renderTable } from "./table.ts";
import type { Cell, Column } from "./table.ts";

const columns: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "PORT", align: "right" },
  { title: "PID", align: "right" },
  { title: "WAKES", align: "right" },
  { title: "COLD", align: "right" },
  { title: "RESTORE", align: "right" },
  { title: "P50", align: "right" },
  { title: "P99", align: "right" },
  { title: "IMAGE" },
  { title: "LAST ERROR" },
];

export function functionTable(functions: readonly FunctionView[], colors: boolean): string {
  return renderTable(columns, functions.map(row), colors);
}

function row(view: FunctionView): Cell[] {
  const pids = view.instances.map((instance) => instance.pid).filter((pid) => pid !== null);
  const state = view.activity === null ? view.state : `${view.state} (${view.activity})`;
  const { lastError } = view;
  return [
    { text: view.id },
    { text: state, style: stateStyles[view.state] },
    { text: view.triggerPort === null ? unknown : `${view.triggerPort}` },
    { text: pids.length === 0 ? unknown : pids.join(",") },
    { text: `${view.wakes}` },
    { text: `${view.coldStarts}` },
    { text: formatMs(view.restore.lastMs) },
    { text: formatMs(view.restore.p50Ms) },
    { text: formatMs(view.restore.p99Ms) },
    { text: image(view) },
    lastError === null ? { text: "" } : { text: `${lastError.code} ${lastError.what}`, style: "red" },
  ];
}

const maxReason = 28;

/** How its memory comes back, and why so; the whole reason is in `--json` and in the console. */
function image({ snapshot }: FunctionView): string {
  if (snapshot === null) return unknown;
  const { imageReason: reason } = snapshot;
  const short = reason.length > maxReason ? `${reason.slice(0, maxReason - 1)}…` : reason;
  return `${snapshot.image}: ${short}`;
}
