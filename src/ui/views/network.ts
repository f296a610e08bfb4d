/** The data plane: packets and bytes by interface and by port, what was dropped or passed unseen, and why. */
import type { FunctionFigures, InterfaceFigures } from "../../client/figures.ts";
import { unparsedReasons } from "../../protocol/unparsed-reasons.ts";
import type { UnparsedReason } from "../../protocol/unparsed-reasons.ts";
import type { DataPlaneView, FunctionView } from "../../protocol/views.ts";
import { sparkline } from "../components/sparkline.ts";
import { fitColumns, headerLine, rowLine } from "../components/table.ts";
import type { Column } from "../components/table.ts";
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { sanitize } from "../format/sanitize.ts";
import { formatBytes, formatCount, formatRate, unknown } from "../format/units.ts";
import { wrapWords } from "../format/width.ts";
import { selectedFunction, shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { heading } from "./blocks.ts";
import { nothingYet } from "./empty.ts";

const reasonWords: Readonly<Record<UnparsedReason, string>> = {
  short_ethernet: "shorter than an Ethernet header",
  not_ip: "neither IPv4 nor IPv6 (ARP and the like)",
  short_ip: "cut IP header",
  bad_ip4: "malformed IPv4 header",
  bad_ip6: "malformed IPv6 header",
  fragment: "fragment of a larger packet",
  extensions: "more IPv6 extension headers than are followed",
  other_protocol: "neither TCP nor UDP (ICMP and the like)",
  short_tcp: "cut TCP header",
  bad_tcp: "malformed TCP header",
  short_udp: "cut UDP header",
  bad_udp: "malformed UDP header",
};

/** What every row of traffic has, of an interface or of a port. */
interface Row {
  readonly name: Span;
  readonly about: Span;
  readonly rates: InterfaceFigures["rates"] | null;
  readonly packets: number;
  readonly bytes: number;
  readonly syns: number | null;
  readonly drops: number;
}

const now = (values: readonly number[] | undefined): number | null => values?.at(-1) ?? null;
const quiet = (text: string): Span => span(text, text === "0" || text === unknown ? "dim" : "text");
const dropSpan = (count: number): Span => span(formatCount(count), count === 0 ? "dim" : "bad");

function perSecondBytes(bytes: number | null): Span {
  return bytes === null || bytes <= 0 ? quiet(bytes === null ? unknown : "0") : span(formatBytes(bytes));
}

function trafficColumns(titles: readonly [string, string], width: number): readonly Column<Row>[] {
  const right = (
    id: string,
    title: string,
    size: number,
    rank: number,
    cell: (row: Row, room: number) => Span,
  ): Column<Row> => ({ id, title, width: size, align: "right", rank, cell });
  const columns: readonly Column<Row>[] = [
    {
      id: "name",
      title: titles[0],
      width: width < 90 ? 14 : 24,
      align: "left",
      rank: 0,
      cell: ({ name }) => name,
    },
    { id: "about", title: titles[1], width: 8, align: "left", rank: 5, cell: ({ about }) => about },
    right("packets-rate", "PKT/S", 7, 1, ({ rates }) => quiet(formatRate(now(rates?.packets)))),
    right("bytes-rate", "BYTES/S", 8, 2, ({ rates }) => perSecondBytes(now(rates?.bytes))),
    right("packets", "PACKETS", 8, 4, ({ packets }) => quiet(formatCount(packets))),
    right("bytes", "BYTES", 8, 6, ({ bytes }) => quiet(bytes === 0 ? "0" : formatBytes(bytes))),
    right("syns", "CONNS", 7, 8, ({ syns }) => quiet(syns === null ? unknown : formatCount(syns))),
    right("drops", "DROPS", 6, 3, ({ drops }) => dropSpan(drops)),
    right("spark", "PACKETS, LAST MINUTE", 20, 7, ({ rates }, room) => {
      const values = rates?.packets ?? [];
      const top = Math.max(1, ...values.slice(-room));
      return span(values.some((value) => value > 0) ? sparkline(values, room, top) : "", "calm");
    }),
  ];
  return fitColumns(columns, width - 1, 2);
}

function interfaceRows(plane: DataPlaneView, figures: readonly InterfaceFigures[]): readonly Row[] {
  return plane.interfaces.map(({ name, mode }) => {
    const known = figures.find(({ stats }) => stats.name === name);
    return {
      name: span(sanitize(name), "strong"),
      about: span(mode, "dim"),
      rates: known?.rates ?? null,
      packets: known?.stats.packets ?? 0,
      bytes: known?.stats.bytes ?? 0,
      syns: null,
      drops: known?.stats.drops ?? 0,
    };
  });
}

function portRows(
  functions: readonly FunctionView[],
  figures: ReadonlyMap<string, FunctionFigures>,
): readonly Row[] {
  return functions
    .filter(({ triggerPort }) => triggerPort !== null)
    .map((fn) => {
      const known = figures.get(fn.id) ?? null;
      return {
        name: span(fn.id, "strong"),
        about: span(`${fn.triggerPort ?? ""}${fn.config.protocol === "udp" ? "u" : ""}`),
        rates: known?.rates ?? null,
        packets: known?.totals.packets ?? 0,
        bytes: known?.totals.bytes ?? 0,
        syns: known?.totals.syns ?? 0,
        drops: known?.totals.drops ?? 0,
      };
    });
}

/** Drops have one reason today; what was passed unseen has twelve. */
function reasonLines(
  interfaces: readonly InterfaceFigures[],
  functions: readonly FunctionView[],
  figures: ReadonlyMap<string, FunctionFigures>,
  width: number,
): readonly Line[] {
  const room = Math.max(10, width - 4);
  const limited = functions.filter((fn) => (figures.get(fn.id)?.totals.drops ?? 0) > 0);
  const dropped = limited.map((fn): Line => {
    const count = figures.get(fn.id)?.totals.drops ?? 0;
    const limit = fn.config.maxConnectionsPerSecond;
    return line(
      "  ",
      span(formatCount(count).padStart(8), "bad"),
      span(`  ${fn.id}`, "strong"),
      `: connection attempts over max_connections_per_second${limit === null ? "" : ` (${limit})`}`,
    );
  });
  const passed = unparsedReasons.flatMap((reason, index): readonly Line[] => {
    const count = interfaces.reduce((sum, { stats }) => sum + (stats.unparsed[index] ?? 0), 0);
    if (count === 0) return [];
    return [
      line(
        "  ",
        span(formatCount(count).padStart(8)),
        span(`  ${reason}`, "strong"),
        `: ${reasonWords[reason]}`,
      ),
    ];
  });
  return [
    heading("DROPPED, BY REASON"),
    ...(dropped.length === 0 ? [line("  ", span("Nothing was dropped.", "dim"))] : dropped),
    emptyLine,
    heading("PASSED TO THE KERNEL WITHOUT A LOOK AT THE PORT, BY REASON"),
    ...(passed.length === 0 ? [line("  ", span("Nothing.", "dim"))] : passed),
    emptyLine,
    ...wrapWords(
      "Counted is what comes in. On loopback answers come in too, but at the client's port.",
      room,
    ).map((text) => line("  ", span(text, "dim"))),
  ];
}

function offLines(state: ConsoleState, width: number): readonly Line[] {
  const file = shownData(state).view?.engine.configFile ?? null;
  const room = Math.max(10, width - 4);
  const say = (text: string, role: Span["role"] = "text"): readonly Line[] =>
    wrapWords(text, room).map((part) => line("  ", span(part, role)));
  return [
    emptyLine,
    line("  ", span("The data plane is off: no packets are counted.", "strong")),
    ...say(
      "Functions wake and serve the same without it. To switch it on, declare interfaces and start the engine anew:",
    ),
    emptyLine,
    line("      ", span("engine:", "dim")),
    line("        ", span("data_plane: { interfaces: [lo] }", "accent")),
    emptyLine,
    ...say(
      `${file === null ? "In aether.yaml." : `In ${file}.`} lo is for clients on this machine; name the network card for others. It needs root and a kernel with BPF; \`aether doctor\` tells.`,
      "dim",
    ),
    ...say(
      `Single packets are seen without it too: ${state.ui.keymap.keyOf("view-packets")} shows those of the selected function.`,
      "dim",
    ),
  ];
}

export function networkLines(state: ConsoleState, width: number): readonly Line[] {
  const { view, figures, engineName } = shownData(state);
  if (view === null)
    return nothingYet(`Waiting for the engine ${engineName} …`, "Its first state has not come yet.");
  const plane = view.engine.dataPlane;
  if (plane === null) return offLines(state, width);
  if (figures === null)
    return nothingYet("No figures yet.", "They come with the first look at the engine's memory.");
  const byInterface = trafficColumns(["INTERFACE", "MODE"], width);
  const byPort = trafficColumns(["FUNCTION", "PORT"], width);
  const selected = selectedFunction(state)?.id;
  const draw = (columns: readonly Column<Row>[], row: Row): Line => {
    const mark = row.name.text === selected && columns === byPort ? "▌ " : "  ";
    return rowLine(columns, row, [span(mark, "accent")], false);
  };
  return [
    headerLine(byInterface, "  ", null),
    ...interfaceRows(plane, figures.interfaces).map((row) => draw(byInterface, row)),
    emptyLine,
    headerLine(byPort, "  ", null),
    ...portRows(view.functions, figures.functions).map((row) => draw(byPort, row)),
    emptyLine,
    ...reasonLines(figures.interfaces, view.functions, figures.functions, width),
  ];
}
