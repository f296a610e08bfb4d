/** The settings of AF_XDP sockets, and what of them can work. */
import { XdpSocketError } from "./errors.ts";
import type { CompiledFilter } from "./filter.ts";
import type { FrameLayout, RingName } from "./layout.ts";

/** auto: what the driver gives. zerocopy fails where the driver cannot; the others never fail for it. */
export const bindModes = ["auto", "copy", "zerocopy"] as const;
export type BindMode = (typeof bindModes)[number];

/** Where the redirecting program runs. auto: in the driver where it can, else in the stack ("generic"). */
export const attachModes = ["auto", "native", "generic"] as const;
export type AttachMode = (typeof attachModes)[number];

/**
 * How an engine waits. busy: never, one core is used up. blocking: in poll(2), at once when nothing came. adaptive: spins
 * for a moment first, so that a burst does not pay for waking up.
 */
export const pollers = ["busy", "blocking", "adaptive"] as const;
export type Poller = (typeof pollers)[number];

/** All numbers checked. */
export interface XskConfig {
  readonly device: string;
  /** One socket each; all share the frames. */
  readonly queues: readonly number[];
  readonly frames: FrameLayout;
  readonly hugePages: boolean;
  /** Entries of each socket's rings. */
  readonly rings: Readonly<Record<RingName, number>>;
  readonly mode: BindMode;
  readonly needWakeup: boolean;
  readonly attach: AttachMode;
  /** null: the caller has a program of its own, and no packet comes before it redirects some. */
  readonly filter: CompiledFilter | null;
  /** Path of a network namespace, as /run/netns/NAME; null: that of this thread. */
  readonly networkNamespace: string | null;
  /** How long a queue may be busy: the kernel lets go of a closed socket's queue a little later. */
  readonly bindTimeoutMs: number;
  readonly batchSize: number;
  readonly poller: Poller;
  /** How long the adaptive poller spins. */
  readonly spinUs: number;
  /** Frames are counted after every batch, and kept packets are always found out. Slow. */
  readonly debug: boolean;
}

const maxUmemBytes = 2 ** 31;
const maxRing = 1 << 20;

/** @throws XdpSocketError InvalidConfig, UmemTooLarge */
export function checkConfig(config: XskConfig): XskConfig {
  const { device, queues, frames, rings } = config;
  if (device === "" || device.length > 15 || /[\s/\0]/.test(device))
    throw invalid("device", JSON.stringify(device), "an interface's name has 1 to 15 characters");
  if (queues.length === 0 || new Set(queues).size !== queues.length)
    throw invalid("queues", queues.join(", "), "name each queue once, and at least one");
  for (const queue of queues) range("queue", queue, 0, 4095);
  if (frames.frameSizeBytes !== 2048 && frames.frameSizeBytes !== 4096)
    throw invalid("frameSize", frames.frameSizeBytes, "a frame has 2048 or 4096 bytes");
  range("headroom", frames.headroomBytes, 0, frames.frameSizeBytes - 256 - 64);
  range("frames", frames.frameCount, queues.length * 2, 2 ** 24);
  for (const [name, size] of Object.entries(rings)) {
    range(`${name} ring`, size, 2, maxRing);
    if ((size & (size - 1)) !== 0) throw invalid(`${name} ring`, size, "it is no power of two");
  }
  range("batch", config.batchSize, 1, Math.min(rings.rx, rings.tx));
  range("bindTimeoutMs", config.bindTimeoutMs, 0, 60_000);
  range("spinUs", config.spinUs, 0, 100_000);
  const umemBytes = frames.frameCount * frames.frameSizeBytes;
  if (umemBytes > maxUmemBytes) {
    throw new XdpSocketError("UmemTooLarge", `${frames.frameCount} frames need ${umemBytes} bytes`, {
      why: `${maxUmemBytes} is the limit of this library`,
      hint: "Take fewer frames.",
    });
  }
  return config;
}

function range(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw invalid(name, value, `it is no whole number from ${least} to ${most}`);
}

function invalid(name: string, value: number | string, why: string): XdpSocketError {
  return new XdpSocketError("InvalidConfig", `${name} cannot be ${value}`, { why, data: { name } });
}
