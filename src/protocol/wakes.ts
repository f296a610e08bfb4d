/** The record that every wake leaves: where its time went. */
import type { ErrorCode } from "./error-codes.ts";
import type { WakeTier } from "./states.ts";

/**
 * The parts of a wake, in their order. Each lasts until the next one begins; a wake has those of its tier.
 * - `handshake`: the kernel has completed the client's handshake, and the engine has not seen it yet; known where the
 *   function has run before, and not part of the whole
 * - `queue`: seen, and other operations of the function or other restores come first
 * - `sandbox`: checks, and the making of a sandbox where none was prepared
 * - `restore`: from the request to CRIU until its answer
 * - `resume`: the same of one that was restored ahead: its processes are let go
 * - `start`: a cold start, from the spawn until it is ready
 * - `thaw`: the frozen processes are let go
 * - `listeners`: duplicates of the new listening sockets are taken
 * - `handover`: the held ones are closed, and the kernel moves the waiting clients
 */
export const wakePhases = [
  "handshake",
  "queue",
  "sandbox",
  "restore",
  "resume",
  "start",
  "thaw",
  "listeners",
  "handover",
] as const;
export type WakePhase = (typeof wakePhases)[number];

/** Microseconds of the phases a wake had. */
export type PhaseTimes = Readonly<Partial<Record<WakePhase, number>>>;

export interface WakeRecord {
  readonly functionId: string;
  /** `null`: there was none, the wake failed. */
  readonly instance: string | null;
  readonly tier: WakeTier;
  /** "connection", "syn", "data", or the order of a person. */
  readonly cause: string;
  /** Wall clock when it was seen. */
  readonly seenAtMs: number;
  readonly phases: PhaseTimes;
  /** The CRIU part while the client waited; `null` where nothing was restored. */
  readonly restoreMs: number | null;
  /** It had been restored before anybody connected, up to its first instruction (`restore_ahead`). */
  readonly ahead: boolean;
  /** From seen to handed over, or to the failure. */
  readonly totalMs: number;
  readonly budgetMs: number;
  readonly overBudget: boolean;
  /** CRIU's own figures; `null` where nothing was restored or it left none. */
  readonly criu: { readonly forkUs: number; readonly restoreUs: number; readonly pagesRead: number } | null;
  /** Why it failed; `null`: it did not. */
  readonly error: ErrorCode | null;
}

/** A record as the engine keeps it, numbered with the engine's events. */
export type NumberedWake = WakeRecord & { readonly seq: number; readonly atMs: number };
