/** Packets of the selected function, or of all ports, as they pass: one line each. */
import { line, span } from "../format/line.ts";
import type { Line, Role, Span } from "../format/line.ts";
import { formatBytes, formatClock, formatCount } from "../format/units.ts";
import { fit } from "../format/width.ts";
import type { FeedSource } from "../store/feed.ts";
import { startOf } from "../store/feed.ts";
import type { StoredPacket } from "../store/packets.ts";
import { selectedFunction, shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { errorLines } from "./blocks.ts";
import { nothingYet } from "./empty.ts";

export function packetSource(state: ConsoleState): FeedSource {
  const { packets } = shownData(state).packets;
  return { count: packets.length, numberAt: (index) => packets[index]?.n ?? 0, rowsAt: () => 1 };
}

/** Beginnings and ends of connections stand out; the rest is data. */
function roleOf(summary: string): Role {
  if (/\bRST\b|\[R/.test(summary)) return "bad";
  if (/\bSYN\b|\[S/.test(summary)) return "accent";
  return /\bFIN\b|\[F/.test(summary) ? "calm" : "text";
}

/** Local time of day with microseconds, `14:03:22.123456`. */
function preciseClock(atMs: number): string {
  const micros = Math.floor((atMs * 1000) % 1_000_000);
  return `${formatClock(atMs)}.${String(micros).padStart(6, "0")}`;
}

/** Without protocol, sequence numbers and window, for rows without room: who, to whom, which flags, how much. */
function shortSummary(summary: string): string {
  return summary.replace(/ TCP (\[[^\]]*\]) seq \d+(?: ack \d+)? win \d+,/, " $1").replace(" bytes", " B");
}

function packetLine(packet: StoredPacket, width: number): Line {
  const wide = width >= 100;
  const lead: readonly Span[] = wide
    ? [span(` ${preciseClock(packet.atMs)} `, "dim"), span(`${fit(packet.interface, 8)} `, "calm")]
    : [span(` ${formatClock(packet.atMs, true)} `, "dim")];
  const size = wide ? [span(`${fit(formatBytes(packet.lengthBytes), 8, "right")}  `, "dim")] : [];
  return line(
    ...lead,
    ...size,
    span(wide ? packet.summary : shortSummary(packet.summary), roleOf(packet.summary)),
  );
}

export function packetsLines(state: ConsoleState, width: number, height: number): readonly Line[] {
  const { packets, error, target } = shownData(state).packets;
  if (error !== null) return [line(), ...errorLines(error, width)];
  const fn = selectedFunction(state);
  if (state.ui.onlySelected.packets && fn !== null && fn.triggerPort === null)
    return nothingYet(
      `${fn.id} has no port.`,
      `${state.ui.keymap.keyOf("only-selected")} shows the packets of all ports.`,
    );
  if (packets.length === 0) {
    const what = target?.port === null ? "No packet yet." : `No packet of port ${target?.port ?? ""} yet.`;
    return nothingYet(what, "They appear as they pass; looking at them takes none away.");
  }
  const start = startOf(packetSource(state), state.ui.feeds.packets, height).index;
  return packets.slice(start, start + height).map((packet) => packetLine(packet, width));
}

export function packetsTitle(state: ConsoleState): Line {
  const { packets, dropped, target } = shownData(state).packets;
  const fn = selectedFunction(state);
  const whose =
    target === null || target.port === null ? "of all ports" : `of ${fn?.id ?? ""}, port ${target.port}`;
  return line(
    span("packets ", "strong"),
    span(`${whose}  `, "dim"),
    state.ui.feeds.packets.follow ? span("following", "good") : span("standing still", "warn"),
    span(`  ${formatCount(packets.length)} kept`, "dim"),
    ...(dropped === 0 ? [] : [span(`  ${formatCount(dropped)} not shown: they came too fast`, "warn")]),
  );
}
