/** Events given to functions, newest first, and how the selected one ended. */
import type { InvocationRecord, InvocationStatus } from "../../protocol/invocations.ts";
import { ruleLine } from "../components/rule.ts";
import { fitColumns, headerLine, rowLine } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { line, span } from "../format/line.ts";
import type { Line, Role, Span } from "../format/line.ts";
import { formatClock, formatMs, unknown } from "../format/units.ts";
import { listedInvocations, listRoom, selectedIndex } from "../store/lists.ts";
import type { ConsoleState } from "../store/types.ts";
import { field } from "./blocks.ts";
import { nothingYet } from "./empty.ts";

const looks: Readonly<Record<InvocationStatus, readonly [glyph: string, role: Role]>> = {
  running: ["▸", "accent"],
  ok: ["●", "good"],
  error: ["✗", "bad"],
  lost: ["!", "warn"],
};

const statusSpan = (status: InvocationStatus): Span =>
  span(`${looks[status][0]} ${status}`, looks[status][1]);

const viaWords = { ring: "shared memory", http: "HTTP" } as const;

function invocationColumns(width: number): readonly Column<InvocationRecord>[] {
  const columns: readonly Column<InvocationRecord>[] = [
    {
      id: "time",
      title: "TIME",
      width: 12,
      align: "left",
      rank: 3,
      cell: ({ startedAtMs }) => span(formatClock(startedAtMs, true), "dim"),
    },
    {
      id: "function",
      title: "FUNCTION",
      width: width < 90 ? 14 : 24,
      align: "left",
      rank: 0,
      cell: ({ functionId }) => span(functionId, "strong"),
    },
    {
      id: "status",
      title: "STATUS",
      width: 9,
      align: "left",
      rank: 1,
      cell: ({ status }) => statusSpan(status),
    },
    {
      id: "time-taken",
      title: "TOOK",
      width: 8,
      align: "right",
      rank: 2,
      cell: ({ durationMs }) => span(formatMs(durationMs), durationMs === null ? "dim" : "text"),
    },
    {
      id: "tier",
      title: "WOKEN FROM",
      width: 10,
      align: "left",
      rank: 4,
      cell: ({ tier }) => span(tier ?? "it ran", tier === null ? "dim" : "text"),
    },
    {
      id: "via",
      title: "VIA",
      width: 4,
      align: "left",
      rank: 6,
      cell: ({ via }) => span(via ?? unknown, "dim"),
    },
    {
      id: "error",
      title: "ERROR",
      width: 12,
      align: "left",
      rank: 5,
      cell: ({ error }, size) => {
        if (error === null) return span("");
        const room = size - error.code.length - 2;
        return span(room > 12 ? `${error.code}  ${error.message}` : error.code.replace(/^AE_/, ""), "bad");
      },
    },
  ];
  return fitColumns(columns, width - 1, 2);
}

function detailLines(record: InvocationRecord, width: number): readonly Line[] {
  const { id, tier, via, durationMs, status, error } = record;
  return [
    ...field("id", id, width),
    ...field("status", [statusSpan(status)], width),
    ...field("took", durationMs === null ? "still running" : formatMs(durationMs), width),
    ...field("woken", tier === null ? "no: it ran already" : `from ${tier}, for this`, width),
    ...field("carried by", via === null ? unknown : viaWords[via], width),
    ...(error === null
      ? []
      : [...field("error", [span(error.code, "bad")], width), ...field("", error.message, width)]),
  ];
}

export function invocationsLines(state: ConsoleState, width: number, main: number): readonly Line[] {
  const records = listedInvocations(state);
  if (records.length === 0) {
    const id = state.ui.onlySelected.invocations ? state.ui.table.selectedId : null;
    return nothingYet(
      id === null ? "Nothing has been invoked yet." : `${id} has not been invoked yet.`,
      `${state.ui.keymap.keyOf("invoke")} on a function gives it an event, as \`aether invoke ${id ?? "ID"} '{}'\` does.`,
    );
  }
  const { list, detail } = listRoom(main);
  const { offset } = state.ui.lists.invocations;
  const index = selectedIndex(state, "invocations");
  const columns = invocationColumns(width);
  const rows = records.slice(offset, offset + Math.max(0, list - 1)).map((record, row) => {
    const isSelected = offset + row === index;
    return rowLine(columns, record, [span(isSelected ? "▌ " : "  ", "accent")], isSelected);
  });
  const selected = records[index];
  if (selected === undefined) return [headerLine(columns, "  ", null), ...rows];
  const title = line(span(selected.functionId, "strong"), span(" invocation", "dim"));
  return [
    headerLine(columns, "  ", null),
    ...rows,
    ruleLine(title, line(), width),
    ...detailLines(selected, width).slice(0, Math.max(detail, main - 3 - rows.length)),
  ];
}

export function invocationsTitle(state: ConsoleState): Line {
  const records = listedInvocations(state);
  const failed = records.filter(({ status }) => status === "error" || status === "lost").length;
  const who = state.ui.onlySelected.invocations
    ? `of ${state.ui.table.selectedId ?? ""}`
    : "of all functions";
  return line(
    span("invocations ", "strong"),
    span(`${who}, the last ${records.length}  `, "dim"),
    span(failed === 0 ? "none failed" : `${failed} failed`, failed === 0 ? "good" : "bad"),
  );
}
