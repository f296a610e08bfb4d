/** Where things are in a ring, and what is legal there (the layout is that of sdk/c/aether_ring.h). */
import { AetherError } from "../../protocol/errors.ts";

/** Bytes before the data region: head, tail, capacity. */
export const headerBytes = 24;
/** Indices of 8-byte words. */
export const headWord = 0;
export const tailWord = 1;
export const capacityWord = 2;

/** `len` and `crc32` before each payload. */
export const entryHeaderBytes = 8;
/** `len` of a header that says: go on at the start of the region. */
export const skipMark = 0xffffffff;

export const minCapacityBytes = 4_096;
/** Positions are told apart by their distance, so a ring stays far below 2^31. */
export const maxCapacityBytes = 1 << 30;
export const defaultCapacityBytes = 262_144;
/** No payload is longer, whatever the capacity. */
export const maxPayloadBytes = 65_536;

/** Longest payload of a ring: an entry and the skip before it always fit into an empty ring. */
export function payloadLimit(capacityBytes: number): number {
  return Math.min(maxPayloadBytes, capacityBytes / 2 - entryHeaderBytes);
}

/** Bytes an entry takes in the region: header, payload, padding to a multiple of 8. */
export function entryBytes(payloadBytes: number): number {
  return entryHeaderBytes + ((payloadBytes + 7) & ~7);
}

/** Size of the shared memory of a ring. */
export function ringBytes(capacityBytes: number): number {
  return headerBytes + capacityBytes;
}

/** @throws AetherError AE_SHM_CORRUPTED */
export function checkCapacity(capacityBytes: number, memoryBytes: number): void {
  const legal =
    Number.isInteger(capacityBytes) &&
    capacityBytes >= minCapacityBytes &&
    capacityBytes <= maxCapacityBytes &&
    (capacityBytes & (capacityBytes - 1)) === 0;
  if (!legal) throw corrupted("capacity", { capacityBytes }, "it is no power of two of at least 4096");
  if (ringBytes(capacityBytes) > memoryBytes)
    throw corrupted("capacity", { capacityBytes, memoryBytes }, "the memory is shorter than header and data");
}

/** The error of a ring that holds what its layout forbids. */
export function corrupted(
  field: string,
  data: Readonly<Record<string, number | string>>,
  why: string,
): AetherError {
  return new AetherError("AE_SHM_CORRUPTED", `ring: ${field} is not legal`, {
    why,
    hint: "The peer wrote outside the rules of the ring, or something else wrote into it; the ring is closed.",
    data: { field, ...data },
  });
}

/** Positions of a ring, in bytes ever written and ever consumed. */
export interface RingPositions {
  readonly head: number;
  readonly tail: number;
}

/** The memory of a ring, in words of each size. */
export interface RingViews {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly positions: BigInt64Array;
  /** The positions in halves, the lower one first. */
  readonly lows: Int32Array;
}

/** Views of a ring's memory; nothing is copied. */
export function viewsOf(memory: ArrayBufferLike): RingViews {
  return {
    bytes: new Uint8Array(memory),
    words: new Uint32Array(memory, 0, memory.byteLength >>> 2),
    positions: new BigInt64Array(memory, 0, 3),
    lows: new Int32Array(memory, 0, 6),
  };
}

/**
 * Writes the header of a fresh ring. Both positions begin where the peer believes them to be: at 0, or, for the ring of a
 * restored process, where they stood in its image.
 */
export function formatRing(memory: ArrayBufferLike, capacityBytes: number, position = 0): void {
  checkCapacity(capacityBytes, memory.byteLength);
  const { positions } = viewsOf(memory);
  positions[capacityWord] = BigInt(capacityBytes);
  Atomics.store(positions, tailWord, BigInt(position));
  Atomics.store(positions, headWord, BigInt(position));
}
