/** The words that both sides of a simulated socket share: counters, and whether the device is still there. */
import type { XskStatistics } from "../port.ts";

/** Index of a word. */
export const word = {
  gone: 0,
  rxDropped: 1,
  rxInvalidDescriptors: 2,
  txInvalidDescriptors: 3,
  rxRingFull: 4,
  rxFillRingEmpty: 5,
  txRingEmpty: 6,
  /** Counts up with every packet that arrives, and when the device goes: what `wait` waits for. */
  arrivals: 7,
  /** In thousandths. */
  txLoss: 8,
  txLatencyMs: 9,
  /** State of the random numbers of losses on the way out. */
  txSeed: 10,
} as const;

export function stateMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * Object.keys(word).length);
}

export function statisticsOf(state: Int32Array): XskStatistics {
  const at = (index: number): number => Atomics.load(state, index) >>> 0;
  return {
    rxDropped: at(word.rxDropped),
    rxInvalidDescriptors: at(word.rxInvalidDescriptors),
    txInvalidDescriptors: at(word.txInvalidDescriptors),
    rxRingFull: at(word.rxRingFull),
    rxFillRingEmpty: at(word.rxFillRingEmpty),
    txRingEmpty: at(word.txRingEmpty),
  };
}

/** Next of a sequence of random numbers below 1000 (xorshift32), kept in a word. */
export function nextRandom(state: Int32Array, index: number): number {
  let value = Atomics.load(state, index) | 0;
  value ^= value << 13;
  value ^= value >>> 17;
  value ^= value << 5;
  Atomics.store(state, index, value);
  return (value >>> 0) % 1000;
}
