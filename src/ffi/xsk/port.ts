/** What a socket stands on: the kernel, or the simulator. Everything above works on this and knows neither. */
import type { FrameLayout, RingMemory } from "./layout.ts";
import type { PacketFilter } from "./filter.ts";
import type { XskConfig } from "./config.ts";

/** What came of calling the kernel for tx: it took what it takes at once, wants to be called again, or is gone. */
export const kickResult = { done: 0, again: 1, gone: 2 } as const;
export type KickResult = (typeof kickResult)[keyof typeof kickResult];

/** `struct xdp_statistics`: counted by the kernel since the socket was made. */
export interface XskStatistics {
  /** Did not fit a frame, and the like; also counts packets for which the fill ring was empty. */
  readonly rxDropped: number;
  readonly rxInvalidDescriptors: number;
  readonly txInvalidDescriptors: number;
  readonly rxRingFull: number;
  readonly rxFillRingEmpty: number;
  readonly txRingEmpty: number;
}

/** One socket on one queue. */
export interface XskPort extends Disposable {
  readonly queue: number;
  readonly umem: ArrayBufferLike;
  readonly rx: RingMemory;
  readonly tx: RingMemory;
  readonly fill: RingMemory;
  readonly completion: RingMemory;
  /** Whether the driver gave zero-copy. */
  readonly isZeroCopy: boolean;
  /** Whether the kernel was told to call for a wake-up by the rings' flags; if not, every send needs a kick. */
  readonly usesNeedWakeup: boolean;
  /** Has the kernel send what is on the tx ring; it never blocks. */
  kick(): KickResult;
  /** Wakes the driver's receive side (needed when the fill ring says so). */
  wakeReceive(): void;
  /** Blocks this thread until a packet is there or the time is over. @throws XdpSocketError DeviceGone */
  wait(timeoutMs: number): boolean;
  /** The same for several ports of one interface, until any of them has a packet. */
  waitAmong(ports: readonly XskPort[], timeoutMs: number): boolean;
  /** As `wait`, without blocking the thread. Rejects with XdpSocketError DeviceGone. */
  ready(timeoutMs: number): Promise<boolean>;
  /** Ends what waits in `ready`. */
  interrupt(): void;
  statistics(): XskStatistics;
  /**
   * A second hold on the socket and its memory, as plain data for another thread: see `attach-socket.ts`. Either side may
   * close first. A hold that nobody takes up is given back with `giveBack`.
   */
  lend(): PortDescription;
}

/** A port as plain data: structured clone keeps all of it. */
export type PortDescription = KernelPortDescription | SimulatedPortDescription;

export interface KernelPortDescription {
  readonly kind: "kernel";
  readonly queue: number;
  readonly device: string;
  /** A duplicate that belongs to the hold. */
  readonly fd: number;
  readonly isZeroCopy: boolean;
  readonly usesNeedWakeup: boolean;
  /** One word: 1 once the hold was given back. */
  readonly returned: SharedArrayBuffer;
  readonly umem: MappedMemory;
  readonly rings: Readonly<Record<"rx" | "tx" | "fill" | "completion", MappedRing>>;
}

/** Memory of the process that several threads may hold; the last one unmaps it. */
export interface MappedMemory {
  readonly address: bigint;
  readonly sizeBytes: number;
  /** One word: how many hold it. */
  readonly holders: SharedArrayBuffer;
}

export interface MappedRing extends MappedMemory {
  readonly entries: number;
  readonly offsets: RingMemory["offsets"];
}

export interface SimulatedPortDescription {
  readonly kind: "simulated";
  readonly queue: number;
  readonly layout: FrameLayout;
  readonly umem: SharedArrayBuffer;
  readonly rings: Readonly<Record<"rx" | "tx" | "fill" | "completion", RingMemory>>;
  /** Bytes that left, and the counters. */
  readonly wire: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
}

/** The sockets of one `open`, with what redirects packets to them. Closing it closes all, in the right order. */
export interface XskInterface extends Disposable {
  readonly ports: readonly XskPort[];
  /** Replaces the filter in one step: every packet meets the old one or the new one. */
  setFilter(filter: PacketFilter): void;
  /** No packet comes any more: the first step of closing. */
  stopRedirecting(): void;
}

/** Where sockets come from. */
export interface XskBackend {
  /** @throws XdpSocketError of any kind that says why not */
  open(config: XskConfig): Promise<XskInterface>;
}
