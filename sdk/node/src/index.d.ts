/** What Aether knows of this instance. Each value is read when it is asked for: a wake changes them. */
export interface Context {
  /** Id of the function; empty outside Aether. */
  readonly functionId: string;
  /** Id of the instance; another one after every wake. */
  readonly instanceId: string;
  /** A number that every start and every wake has for itself; 0n without a control page. */
  readonly generation: bigint;
  /** Whether this instance was woken from a snapshot. */
  readonly restored: boolean;
  /** 32 bytes that no other instance has; a copy. */
  readonly entropy: Uint8Array;
}

export declare const context: Context;

/** The second argument of a handler, as AWS Lambda has it. */
export interface HandlerContext {
  readonly awsRequestId: string;
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly memoryLimitInMB: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  callbackWaitsForEmptyEventLoop: boolean;
  /** Milliseconds until the time limit of this request. */
  getRemainingTimeInMillis(): number;
}

export type Handler<E = unknown, R = unknown> = (
  event: E,
  context: HandlerContext,
  callback: (error: unknown, result?: R) => void,
) => R | Promise<R> | void;

export interface ServeOptions {
  /** Serve the trigger port too (default), or the ring alone. */
  readonly http?: boolean;
  /** Events at once; the others wait. Default: AETHER_CONCURRENCY, else 1. */
  readonly concurrency?: number;
  /** Time limit of an event. Default: AETHER_TIMEOUT_MS, else 30,000. */
  readonly timeoutMs?: number;
  /** Longest body of a request. Default: AETHER_BODY_LIMIT, else 6 MiB. */
  readonly bodyLimit?: number;
}

/** Serves events until SIGTERM; what is under way is finished then. */
export declare function serve(handler: Handler<never, unknown>, options?: ServeOptions): Promise<void>;

/** For a server of your own: tells the engine that it can serve. Do it before or after binding the port. */
export declare function ready(): Promise<void>;

/** Registers a function, async or not, for before each snapshot; in reverse order. If it throws, there is no snapshot. */
export declare function beforeSnapshot(hook: () => unknown): void;

/** Registers a function, async or not, for after each wake from a snapshot, before clients are handed over; in order. */
export declare function afterRestore(hook: () => unknown): void;

/** The time limit of a request ran out. */
export declare class TimeLimit extends Error {}

/** A ring cannot be used as asked. */
export declare class RingError extends Error {
  readonly code:
    | "RingBufferFull"
    | "RingBufferEmpty"
    | "PayloadTooLarge"
    | "CorruptedData"
    | "ChecksumMismatch";
  readonly data: Readonly<Record<string, number>>;
}
