/** The columns of the table of functions, and what each says of a function and of an instance below it. */
import type { FunctionFigures } from "../../client/figures.ts";
import type { FunctionView, InstanceView } from "../../protocol/views.ts";
import { sparkline } from "../components/sparkline.ts";
import { fitColumns } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { span } from "../format/line.ts";
import type { Span } from "../format/line.ts";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatMs,
  formatPercent,
  formatRate,
  unknown,
} from "../format/units.ts";
import { textWidth } from "../format/width.ts";
import { markedPlaces, parseFilter } from "../store/filter.ts";
import type { Filter } from "../store/filter.ts";
import { shownData, totalMemory } from "../store/select.ts";
import type { TableRow } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { activityLooks, stateLooks } from "../theme/states.ts";

export const tableIndent = 2;

/** State and what is under way; where there is one column for both, what is under way replaces the word. */
function stateCell(fn: FunctionView, asked: string | undefined, withActivity: boolean): Span[] {
  const look = stateLooks[fn.state];
  const state = [
    span(`${look.glyph} `, look.role),
    span(fn.state, fn.state === "Uninitialized" ? "dim" : "text"),
  ];
  if (!withActivity) return state;
  const activity = activityCell(fn, asked);
  return activity.text === "" ? state : [activity];
}

function activityCell(fn: FunctionView, asked: string | undefined): Span {
  if (fn.activity !== null) {
    const look = activityLooks[fn.activity];
    return span(`${look.glyph} ${fn.activity}`, look.role);
  }
  return asked === undefined ? span("") : span(`… ${asked}`, "warn");
}

const msCell = (ms: number | null, budgetMs: number): Span =>
  ms === null ? span(unknown, "dim") : span(formatMs(ms), ms > budgetMs ? "warn" : "text");

/** First pid, and how many more there are. */
function pidText(fn: FunctionView): string {
  const pids = fn.instances.flatMap((instance) => (instance.pid === null ? [] : [instance.pid]));
  const [first, ...others] = pids;
  if (first === undefined) return unknown;
  return others.length === 0 ? String(first) : `${first}+${others.length}`;
}

const dimWhenUnknown = (text: string): Span =>
  span(text, text === unknown || text === "0" || text === "0 %" ? "dim" : "text");

/** The name, with what the filter found in it. */
function nameCell(fn: FunctionView, filter: Filter): readonly Span[] {
  const marked = markedPlaces(filter, fn.id);
  if (marked.size === 0) return [span(fn.id, "strong")];
  return Array.from(fn.id, (letter, index) => span(letter, marked.has(index) ? "match" : "strong"));
}

/** The code, and what failed as far as there is room; the prefix goes when it would cost the telling part. */
function errorCell({ lastError }: FunctionView, size: number): Span {
  if (lastError === null) return span("");
  const { code, what } = lastError;
  if (size >= code.length + 12) return span(`${code}  ${what}`, "bad");
  return span(size >= code.length ? code : code.replace(/^AE_/, ""), "bad");
}

/** How it would wake: from which image, made how. */
function imageText({ snapshot, state }: FunctionView): string {
  if (snapshot === null) return state === "Uninitialized" ? "none" : unknown;
  return `${formatBytes(snapshot.sizeBytes)} ${snapshot.image}`;
}

interface Draft {
  readonly id: string;
  readonly title: string;
  readonly width: number;
  readonly align?: "right";
  readonly rank: number;
  readonly cell: (fn: FunctionView, figures: FunctionFigures | null, width: number) => Span | readonly Span[];
  /** Of an instance; by default nothing. */
  readonly instance?: (instance: InstanceView, fn: FunctionView, figures: FunctionFigures | null) => Span;
}

const last = (values: readonly number[] | undefined): number | null => values?.at(-1) ?? null;

function drafts(state: ConsoleState, rows: readonly FunctionView[], width: number): readonly Draft[] {
  const { wakesByFunction, view, figures } = shownData(state);
  const { pending } = state.ui;
  const nowMs = figures?.atMs ?? null;
  const filter = parseFilter(state.ui.table.filter);
  const longest = rows.reduce((most, fn) => Math.max(most, textWidth(fn.id)), 9);
  const idWidth = Math.min(longest, width < 80 ? 14 : width < 110 ? 20 : 32);
  const separate = width >= 124;
  const budget = (fn: FunctionView): number => fn.config.restoreBudgetMs;
  const hasTraffic = view?.engine.dataPlane !== null && view?.engine.dataPlane !== undefined;
  const errors = rows.some((fn) => fn.lastError !== null);
  const activity: Draft = {
    id: "activity",
    title: "",
    width: 11,
    rank: 2,
    cell: (fn) => activityCell(fn, pending.get(fn.id)),
  };
  const traffic: Draft = {
    id: "packets",
    title: "PKT/S",
    width: 6,
    align: "right",
    rank: 8.5,
    cell: (_, known) => dimWhenUnknown(formatRate(last(known?.rates.packets))),
  };
  return [
    { id: "id", title: "FUNCTION", width: idWidth, rank: 0, cell: (fn) => nameCell(fn, filter) },
    {
      id: "state",
      title: "STATE",
      width: 15,
      rank: 1,
      cell: (fn) => stateCell(fn, pending.get(fn.id), !separate),
      instance: ({ state: its }) => span(`${stateLooks[its].glyph} ${its}`, stateLooks[its].role),
    },
    ...(separate ? [activity] : []),
    {
      id: "age",
      title: "AGE",
      width: 4,
      align: "right",
      rank: 7.5,
      cell: (fn) => dimWhenUnknown(formatAge(nowMs === null ? null : nowMs - fn.stateSinceMs)),
    },
    {
      id: "port",
      title: "PORT",
      width: 5,
      align: "right",
      rank: 3,
      cell: (fn) => dimWhenUnknown(fn.triggerPort === null ? unknown : String(fn.triggerPort)),
    },
    {
      id: "pid",
      title: "PID",
      width: 7,
      align: "right",
      rank: 8,
      cell: (fn) => dimWhenUnknown(pidText(fn)),
      instance: ({ pid }) => dimWhenUnknown(pid === null ? unknown : String(pid)),
    },
    {
      id: "wakes",
      title: "WAKES",
      width: 6,
      align: "right",
      rank: 7,
      cell: (fn) => dimWhenUnknown(formatCount(fn.wakes)),
    },
    {
      id: "exits",
      title: "EXITS",
      width: 5,
      align: "right",
      rank: 10,
      cell: (fn) => (fn.exits === 0 ? span("0", "dim") : span(formatCount(fn.exits), "warn")),
    },
    {
      id: "last",
      title: "RESTORE",
      width: 7,
      align: "right",
      rank: 4,
      cell: (fn) => msCell(fn.restore.lastMs, budget(fn)),
    },
    {
      id: "p50",
      title: "P50",
      width: 7,
      align: "right",
      rank: 6,
      cell: (fn) => dimWhenUnknown(formatMs(fn.wake.p50Ms)),
    },
    {
      id: "p95",
      title: "P95",
      width: 7,
      align: "right",
      rank: 9,
      cell: (fn) => dimWhenUnknown(formatMs(fn.wake.p95Ms)),
    },
    {
      id: "recent",
      title: "WAKES ▁▄█",
      width: 12,
      align: "right",
      rank: 11,
      cell: (fn, _, size) => {
        const times = (wakesByFunction.get(fn.id) ?? []).map((wake) => wake.totalMs);
        const top = Math.max(budget(fn), ...times.slice(-size));
        return span(sparkline(times, size, top), "calm");
      },
    },
    {
      id: "cpu",
      title: "CPU",
      width: 5,
      align: "right",
      rank: 5.2,
      cell: (_, known) => dimWhenUnknown(formatPercent(known?.cpuPercent ?? null)),
      // The figure is that of all instances together.
      instance: (_, fn, known) =>
        dimWhenUnknown(fn.instances.length === 1 ? formatPercent(known?.cpuPercent ?? null) : ""),
    },
    {
      id: "memory",
      title: "MEMORY",
      width: 8,
      align: "right",
      rank: 5,
      cell: (fn) => dimWhenUnknown(formatBytes(totalMemory(fn))),
      instance: ({ memoryBytes }) => dimWhenUnknown(formatBytes(memoryBytes)),
    },
    ...(hasTraffic ? [traffic] : []),
    {
      id: "image",
      title: "IMAGE",
      width: 15,
      align: "right",
      rank: 12,
      cell: (fn) => dimWhenUnknown(imageText(fn)),
    },
    {
      id: "error",
      title: "LAST ERROR",
      // A whole code rather than a chart, where both do not fit.
      width: errors && width >= 108 ? 20 : 10,
      rank: errors ? 5.5 : 13,
      cell: (fn, _, size) => errorCell(fn, size),
    },
  ];
}

/** The columns that have room, for the rows there are. */
export function functionColumns(
  state: ConsoleState,
  rows: readonly FunctionView[],
  width: number,
): readonly Column<TableRow>[] {
  const { figures } = shownData(state);
  const columns = drafts(state, rows, width).map(
    ({ id, title, width: size, align, rank, cell, instance: ofInstance }): Column<TableRow> => ({
      id,
      title,
      width: size,
      align: align ?? "left",
      rank,
      cell: ({ fn, instance }, room) => {
        const known = figures?.functions.get(fn.id) ?? null;
        if (instance === null) return cell(fn, known, room);
        if (instance === "none") return span("");
        if (id === "id") return span(`└ ${fn.instances.length === 1 ? "process" : instance.id}`, "dim");
        return ofInstance?.(instance, fn, known) ?? span("");
      },
    }),
  );
  return fitColumns(columns, width - 1, tableIndent);
}
