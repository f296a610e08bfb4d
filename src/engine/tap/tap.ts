/** A tap: copies of packets as they pass, as lines and as a capture file. It takes nothing from the function. */
import { closeSync, openSync, writeSync } from "node:fs";
import { PacketCapture } from "../../ffi/packet-capture.ts";
import { summarizePacket } from "../../ffi/xsk/packet/summary.ts";
import { pcapHeader, pcapRecord } from "../../ffi/xsk/pcap.ts";
import { AetherError } from "../../protocol/errors.ts";

export interface TapOptions {
  /** null: all interfaces of the network namespace that carry Ethernet. */
  readonly device: string | null;
  /** null: every packet. */
  readonly port: number | null;
  /** Capture file; null: none. */
  readonly file: string | null;
  /** Ends after so many packets; null: not by itself. */
  readonly count: number | null;
  readonly signal: AbortSignal;
}

export interface TapLine {
  /** Nanoseconds since 1970. */
  readonly atNs: bigint;
  readonly interface: string;
  readonly lengthBytes: number;
  readonly summary: string;
}

export interface TapTotals {
  readonly packets: number;
  /** Came while the reader was slower than the network. */
  readonly dropped: number;
}

const perRead = 64;

/**
 * Runs until the count is reached or the signal comes. `onLines` is waited for: while it waits, packets wait in the kernel.
 * @throws XdpSocketError Permission, NoDevice, DeviceGone
 * @throws AetherError AE_USAGE when the file cannot be written
 */
export async function runTap(
  options: TapOptions,
  onLines: (lines: readonly TapLine[]) => Promise<void>,
): Promise<TapTotals> {
  using capture = new PacketCapture(options.device, options.port);
  using file = options.file === null ? null : new CaptureFile(options.file);
  const end = (): void => capture[Symbol.dispose]();
  options.signal.addEventListener("abort", end, { once: true });
  if (options.signal.aborted) end();
  let packets = 0;
  try {
    while (options.count === null || packets < options.count) {
      const left = options.count === null ? perRead : Math.min(perRead, options.count - packets);
      const batch = await capture.next(left);
      if (batch.length === 0) break;
      packets += batch.length;
      file?.write(batch.map(pcapRecord));
      await onLines(batch.map(({ bytes, ...rest }) => ({ ...rest, summary: summarizePacket(bytes) })));
    }
    return { packets, dropped: capture.dropped };
  } finally {
    options.signal.removeEventListener("abort", end);
  }
}

/** Packets may hold secrets: only the owner reads the file. */
class CaptureFile implements Disposable {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, "w", 0o600);
      writeSync(this.#fd, pcapHeader());
    } catch (error) {
      throw this.#error(error);
    }
  }

  write(records: readonly Uint8Array[]): void {
    try {
      const bytes = Buffer.concat(records);
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      throw this.#error(error);
    }
  }

  #error(cause: unknown): AetherError {
    return new AetherError("AE_USAGE", `the capture file ${this.#path} cannot be written`, {
      why: cause instanceof Error ? cause.message : String(cause),
      data: { path: this.#path },
      cause,
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
