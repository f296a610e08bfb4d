/**
 * The seam between a function's life and what runs it. The sandbox is the first driver; microVMs and containers come
 * behind the same interface. A driver knows one function; the lifecycle calls it from one queue, never twice at once.
 */
import type { Fd } from "../../ffi/fd.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import type { BodyEncoding } from "../../protocol/invocations.ts";
import type { RingUsage } from "../../protocol/views.ts";
import type { InvocationAnswer } from "../ipc/ring-invoker.ts";
import type { Image } from "../snapshot/image.ts";

/** How an instance ended. */
export interface InstanceExit {
  /** Host process id it had. */
  readonly pid: number;
  readonly exitCode: number | null;
  /** As "SIGKILL". */
  readonly signal: string | null;
  /** The kernel killed it at its memory limit. */
  readonly outOfMemory: boolean;
}

/** A listening socket of an instance, duplicated into the engine. */
export interface TakenListener {
  readonly port: number;
  readonly address: ListenAddress;
  readonly fd: Fd;
  /** Where the instance has it: process id inside, and descriptor number. A restored copy has it in the same place. */
  readonly at?: { readonly pid: number; readonly fd: number };
}

/** Where a listening socket was before the snapshot. */
export interface KnownPlace {
  readonly port: number;
  readonly at: { readonly pid: number; readonly fd: number };
}

export interface InstanceStats {
  readonly memoryBytes: number | null;
  readonly cpuMs: number | null;
  readonly ring: RingUsage | null;
}

export interface ReclaimResult {
  /** Anonymous memory present before, and how much less afterwards; bytes. */
  readonly beforeBytes: number;
  readonly reclaimedBytes: number;
  /** It was thawed in the middle. */
  readonly interrupted: boolean;
}

/** One running copy of a function. */
export interface Instance {
  readonly id: string;
  /** Host process id of its first process. */
  readonly pid: number;
  readonly startedAtMs: number;
  /** Resolves once its first process has ended, however. */
  readonly exited: Promise<InstanceExit>;
  /**
   * Duplicates of all its listening sockets; the caller's to close.
   * @param known where they were when the image was made: looked at first
   */
  takeListeners(known?: readonly KnownPlace[]): TakenListener[];
  /** Established connections, also those not accepted yet, by the kernel's tables at this moment, and events under way. */
  openConnections(): number;
  /** Events over the ring whose results are waited for. */
  readonly eventsUnderWay: number;
  /** Duplicates of its open connections, to watch them while it is frozen; the caller's to close. */
  takeConnections(): Fd[];
  /** Freezes it; resolves when it stands still. */
  suspend(): Promise<void>;
  /** Lets a frozen instance go on. */
  resume(): void;
  /**
   * Hands the memory of a frozen instance back to the machine's swap. Ends early when it is thawed or killed.
   * @throws AetherError AE_RECLAIM_FAILED
   */
  reclaim(): Promise<ReclaimResult>;
  /** Signals its first process, lets a frozen one go on, and waits; kills what is left at the deadline. */
  stop(signal: string, timeoutMs: number): Promise<void>;
  /** Ends it at once, with all its processes. Resolves when they are gone. */
  kill(): Promise<void>;
  stats(): InstanceStats;
  /**
   * Gives it an event and resolves with the result; `null` when it takes none (it has no rings, or serves no events).
   * Rejects with AE_INVOKE_TIMEOUT, AE_INVOKE_FAILED, AE_INVOKE_CRASHED.
   */
  invoke(body: Uint8Array, encoding: BodyEncoding, timeoutMs: number): Promise<InvocationAnswer> | null;
}

export interface DumpResult {
  readonly image: Image;
  readonly durationMs: number;
}

/** A restore that is done up to the first instruction. */
export interface RestoredAhead {
  /** Duplicates of the listening sockets that the processes have; to be closed by whoever asked for it. */
  readonly listeners: readonly TakenListener[];
  /** Resolves when its processes have ended, before their wake or after it. */
  readonly ended: Promise<void>;
}

export interface WakeOptions {
  readonly budgetMs: number;
  /** Kill the restore when the budget runs out (`on_violation: fail`). */
  readonly enforce: boolean;
}

export interface WakeResult {
  readonly instance: Instance;
  /** What `restoreAhead` gave for it; `null`: it was not restored before its wake, or not to the end. */
  readonly ahead: RestoredAhead | null;
  /** A program of the image was touched since the dump: whatever had been made ready was of no use. */
  readonly touched: boolean;
  /** From the moment the restore was sent to CRIU's answer. */
  readonly restoreMs: number;
  /** Monotonic ms of these two moments. */
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** To be called when the waiting clients have been handed over: undoes what was for the wake alone. */
  handedOver(): void;
  /** What CRIU says of its own restore; `null` where it left nothing. Reads a file: not on the wake path. */
  criu(): CriuTimes | null;
}

/** CRIU's own figures of a restore (images/stats.proto). */
export interface CriuTimes {
  readonly forkUs: number;
  readonly restoreUs: number;
  readonly pagesRead: number;
}

export interface InstanceDriver extends AsyncDisposable {
  /**
   * Starts the function from nothing and waits until it is ready.
   * @throws AetherError of the family SandboxError, AE_WAKE_WRONG_PORT
   */
  start(): Promise<Instance>;
  /**
   * Saves a running instance; where it listens is kept with the image. It is left stopped: `discard` ends it, `proceed` lets it go on.
   * @throws AetherError AE_DUMP_FAILED; the instance runs on then
   */
  snapshot(instance: Instance, listens: readonly ListenAddress[]): Promise<DumpResult>;
  /** Lets an instance go on that `snapshot` left stopped. */
  proceed(instance: Instance): Promise<void>;
  /**
   * Restores an image three times away from real clients and sees that it answers.
   * @param before the warm-up requests as they were answered before the snapshot: a copy must repeat them
   * @returns the median of the restores, ms. @throws AetherError AE_RESTORE_FAILED, AE_PROOF_FAILED
   */
  prove(image: Image, before: readonly AnsweredRequest[]): Promise<number>;
  /** Makes ready what the next wakes from this image need, so many at once. Failing is no error: the wake does it then. */
  prepare(image: Image, count: number): Promise<void>;
  /** How many wakes are prepared. */
  readonly preparedCount: number;
  /**
   * Does the restore of the next wake from this image now, up to the first instruction of its processes. It may be called
   * beside other operations: a wake that comes meanwhile goes on with it.
   * @returns `null` when no wake is prepared, that was done already, or it was given up
   * @throws AetherError AE_RESTORE_FAILED; nothing of the attempt is left then
   */
  restoreAhead(image: Image): Promise<RestoredAhead | null>;
  /** Whether the restore of the next wake is done. */
  readonly isRestoredAhead: boolean;
  /**
   * Restores an image.
   * @throws AetherError AE_RESTORE_FAILED, AE_LATENCY_VIOLATION; nothing of the attempt is left then
   */
  wake(image: Image, options: WakeOptions): Promise<WakeResult>;
  /** Gives up what was prepared. */
  forget(): void;
  /** Takes over settings that need no new process. */
  update(config: FunctionConfig): void;
  /** Ends what is under way, by ending its sandbox: the function is being removed. */
  abort(): void;
}
