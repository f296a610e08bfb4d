/** The console's window on packets as they pass: bounded, and begun anew for another port. */
import type { ConsoleMessage } from "../../client/connection.ts";
import type { TapRequest } from "../../protocol/tap.ts";
import type { ErrorData } from "../../protocol/errors.ts";
import { sanitize } from "../format/sanitize.ts";
import { appendBounded } from "../format/window.ts";

export const maxPackets = 2_000;

export interface StoredPacket {
  readonly n: number;
  /** Wall clock with parts of a millisecond. */
  readonly atMs: number;
  readonly interface: string;
  readonly lengthBytes: number;
  readonly summary: string;
}

export interface PacketWindow {
  /** What is looked at; `null`: nothing. */
  readonly target: TapRequest | null;
  readonly packets: readonly StoredPacket[];
  readonly next: number;
  /** Packets that came faster than they are shown. */
  readonly dropped: number;
  /** Why it ended. */
  readonly error: ErrorData | null;
}

export const noPackets: PacketWindow = { target: null, packets: [], next: 1, dropped: 0, error: null };

/** News of a tap: of which port it is, packets, or its end. */
export type TapNews = Extract<ConsoleMessage, { readonly type: "tap" | "packets" | "tap-failed" }>;

export function takeTapNews(window: PacketWindow, news: TapNews): PacketWindow {
  switch (news.type) {
    case "tap":
      // Closed, the packets stay: who looks at them may come back.
      return news.target === null
        ? { ...window, target: null }
        : { ...noPackets, target: news.target, next: window.next };
    case "packets": {
      let { next } = window;
      const more = news.packets.map((packet): StoredPacket => {
        const { atMs, lengthBytes } = packet;
        const summary = sanitize(packet.summary);
        return { n: next++, atMs, interface: sanitize(packet.interface), lengthBytes, summary };
      });
      const packets = appendBounded(window.packets, more, maxPackets);
      return { ...window, packets, next, dropped: news.dropped };
    }
    case "tap-failed":
      return { ...window, error: news.error };
  }
}
