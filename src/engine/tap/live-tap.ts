/**
 * A tap for a console: packets of a port as lines, a bounded number four times a second. The rest stays in a small buffer
 * of the kernel's, which drops and counts what does not fit: a flood costs the engine no more than a trickle.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { PacketCapture } from "../../ffi/packet-capture.ts";
import { summarizePacket } from "../../ffi/xsk/packet/summary.ts";
import { AetherError } from "../../protocol/errors.ts";
import { maxTappedLines, tapIntervalMs } from "../../protocol/tap.ts";
import type { TapMessage, TapRequest } from "../../protocol/tap.ts";

/** Some hundred packets: more would only be shown late. */
const bufferBytes = 256 * 1024;
/** Taps at once, of all consoles. */
const maxTaps = 4;

let open = 0;

/**
 * Runs until the signal comes. `send` is waited for; while it waits, packets wait in the kernel.
 * @throws XdpSocketError Permission, NoDevice, DeviceGone
 * @throws AetherError AE_OPERATION_IN_PROGRESS when too many are open
 */
export async function runLiveTap(
  request: TapRequest,
  signal: AbortSignal,
  send: (message: TapMessage) => Promise<void>,
): Promise<void> {
  if (open >= maxTaps) {
    throw new AetherError("AE_OPERATION_IN_PROGRESS", "another tap is not opened", {
      why: `${maxTaps} consoles look at packets already`,
      hint: "Leave the packet view of one of them, or use `aether tap`.",
    });
  }
  using capture = new PacketCapture(request.interface, request.port, bufferBytes);
  const end = (): void => capture[Symbol.dispose]();
  signal.addEventListener("abort", end, { once: true });
  open += 1;
  try {
    let reported = 0;
    while (!signal.aborted) {
      const packets = await capture.next(maxTappedLines);
      const { dropped } = capture;
      if (packets.length === 0 && dropped === reported) break;
      reported = dropped;
      await send({
        type: "packets",
        packets: packets.map(({ atNs, bytes, lengthBytes, interface: name }) => ({
          atMs: Number(atNs / 1000n) / 1000,
          interface: name,
          lengthBytes,
          summary: summarizePacket(bytes),
        })),
        dropped,
      });
      await sleep(tapIntervalMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    open -= 1;
    signal.removeEventListener("abort", end);
  }
}
