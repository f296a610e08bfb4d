/** Packets as they pass, for a console: GET /v1/tap, a stream of `TapMessage` lines. */

export interface TapRequest {
  /** TCP and UDP from or to this port; `null`: every packet. */
  readonly port: number | null;
  /** `null`: all interfaces that carry Ethernet, loopback too. */
  readonly interface: string | null;
}

export interface TappedLine {
  /** Wall clock, ms with parts: when the kernel saw it. */
  readonly atMs: number;
  readonly interface: string;
  readonly lengthBytes: number;
  /** One line: addresses, ports, flags. */
  readonly summary: string;
}

/** At most four a second, with at most `maxTappedLines` lines each: what comes faster is counted and not shown. */
export interface TapMessage {
  readonly type: "packets";
  readonly packets: readonly TappedLine[];
  /** Packets that were not taken, since the beginning. */
  readonly dropped: number;
}

export const maxTappedLines = 100;
export const tapIntervalMs = 250;
