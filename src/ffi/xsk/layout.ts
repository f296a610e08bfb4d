/** How AF_XDP lays out its memory: rings, descriptors and frames (linux/if_xdp.h, Documentation/networking/af_xdp.rst). */

/** A ring in memory. All offsets are in bytes from the start of `buffer`, as XDP_MMAP_OFFSETS reports them. */
export interface RingMemory {
  readonly buffer: ArrayBufferLike;
  readonly offsets: RingOffsets;
  /** Number of entries, a power of two. */
  readonly size: number;
}

/** One `struct xdp_ring_offset`. */
export interface RingOffsets {
  readonly producer: number;
  readonly consumer: number;
  readonly flags: number;
  readonly entries: number;
}

/** The four rings of a socket. Fill and rx belong together, as do tx and completion. */
export const ringNames = ["rx", "tx", "fill", "completion"] as const;
export type RingName = (typeof ringNames)[number];

/** Bytes of an entry: `struct xdp_desc` {u64 addr, u32 len, u32 options}, or a u64 address. */
export const entryBytes = { rx: 16, tx: 16, fill: 8, completion: 8 } as const satisfies Record<
  RingName,
  number
>;

/** XDP_RING_NEED_WAKEUP in the flags of fill and tx: the kernel sleeps until it is called. */
export const needWakeupFlag = 1;

/** Room that the kernel keeps before a received packet (XDP_PACKET_HEADROOM), besides the headroom asked for. */
export const kernelHeadroomBytes = 256;

/** XDP_PKT_CONTD in an rx descriptor's options: the packet goes on in the next one. */
export const continuedOption = 1;

/** Frames of a UMEM. Aligned mode only: frames are a power of two in size, from 2048 to a page (xdp_umem_reg). */
export interface FrameLayout {
  readonly frameCount: number;
  readonly frameSizeBytes: number;
  /** Asked for by us, before each received packet and on top of the kernel's. */
  readonly headroomBytes: number;
}

/** The longest packet that a frame can receive. */
export function maxPacketBytes({ frameSizeBytes, headroomBytes }: FrameLayout): number {
  return frameSizeBytes - kernelHeadroomBytes - headroomBytes;
}

/** Where a packet that we originate starts in its frame: as one received, so that headers can be put before it. */
export function packetOffset({ headroomBytes }: FrameLayout): number {
  return kernelHeadroomBytes + headroomBytes;
}
