import type { ErrorCode } from "./error-codes.ts";

/** The configuration as the engine runs it: defaults filled in, units and paths resolved, users looked up. */

/** How a function says that it can serve. */
export type ReadyRule =
  | { readonly kind: "handshake" }
  | { readonly kind: "port" }
  | { readonly kind: "http"; readonly path: string };

export interface WarmupRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** What of the answer a restored copy must repeat: all of it but Date, or the status alone. */
  readonly compare: "answer" | "status";
  /** Headers of the answer that may differ; in small letters. */
  readonly ignoreHeaders: readonly string[];
}

export type TransportProtocol = "tcp" | "udp";

export interface UserConfig {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export interface IdleConfig {
  /** No open connection for so long: freeze. `null`: never. */
  readonly suspendAfterMs: number | null;
  /** No open connection for so long: snapshot. `null`: never. */
  readonly snapshotAfterMs: number | null;
  /** Idle open connections do not keep the function awake. */
  readonly ignoreOpen: boolean;
  /** Hand memory back to the machine's swap while suspended. */
  readonly reclaim: boolean;
}

/** A function that is one callable: the engine brings the program around it. */
export interface HandlerConfig {
  readonly runtime: "python" | "node";
  /** As "app.handle": file and function. */
  readonly entry: string;
  /** Limit on one event. */
  readonly timeoutMs: number;
  /** Longest body of a request. */
  readonly bodyLimitBytes: number;
  /** Events at once. */
  readonly concurrency: number;
}

export interface FunctionConfig {
  readonly id: string;
  /** As written; `program` is its first word, resolved. */
  readonly command: readonly string[];
  /** Absolute path of the executable. */
  readonly program: string;
  readonly cwd: string;
  readonly triggerPort: number | null;
  /** Of the trigger port. */
  readonly protocol: TransportProtocol;
  /** `private`: each instance has a network namespace and an IPv4 address of its own; the data plane leads there. */
  readonly network: "shared" | "private";
  /** How many run side by side; above 1 only with `private`. */
  readonly instances: number;
  readonly ready: ReadyRule;
  readonly readyTimeoutMs: number;
  /** Values are secret: never printed, logged or sent to a console. */
  readonly env: Readonly<Record<string, string>>;
  readonly memoryLimitBytes: number | null;
  readonly user: UserConfig | null;
  readonly privileged: boolean;
  /** Control page and rings, for handlers with an SDK. Always with `handler`. */
  readonly ring: boolean;
  /** `null`: the command is a program of its own. */
  readonly handler: HandlerConfig | null;
  readonly sleep: "keep" | "golden";
  readonly start: "snapshot" | "running" | "lazy";
  readonly idle: IdleConfig;
  readonly connections: "refuse" | "close" | "keep";
  /** What wakes it: a completed handshake, the first SYN, or the first data of a client. */
  readonly wakeOn: "connection" | "syn" | "data";
  /** SYNs over it are dropped; `null`: no limit. */
  readonly maxConnectionsPerSecond: number | null;
  readonly restoreBudgetMs: number;
  readonly onViolation: "fail" | "serve";
  readonly onRestoreFailure: "fail" | "cold";
  /** How memory comes back at a wake; `auto`: mapped where the runtime is on the tested list. */
  readonly image: "auto" | "mapped" | "stock";
  /** Wakes prepared ahead; `null`: one, where the engine's pool has room. */
  readonly warmPool: number | null;
  /** Whether the restore of a prepared wake is done ahead, and held before the first instruction; `auto`: of mapped images. */
  readonly restoreAhead: RestoreAhead;
  readonly warmup: readonly WarmupRequest[];
  /** A new version must prove itself by its warm-up requests before it replaces the running one. */
  readonly proveDeploy: boolean;
  /** As "SIGTERM". */
  readonly stopSignal: string;
  readonly stopTimeoutMs: number;
}

export type RestoreAhead = "auto" | "always" | "never";

export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Where metrics are served. */
export interface MetricsConfig {
  /** An address of this machine, or "localhost". */
  readonly host: string;
  readonly port: number;
}

/** XDP programs on interfaces: packets counted and routed by port. */
export interface DataPlaneConfig {
  readonly interfaces: readonly string[];
  readonly mode: "auto" | "native" | "generic";
  /** Whether the engine refuses to start without it. */
  readonly required: boolean;
}

export interface EngineConfig {
  readonly name: string;
  /** Snapshots live in `<snapshotDir>/aether-<name>`. */
  readonly snapshotDir: string;
  readonly keepSnapshots: boolean;
  readonly restoreBudgetMs: number;
  readonly onViolation: "fail" | "serve";
  readonly logLevel: LogLevel;
  readonly maxParallelRestores: number;
  /** Functions without a `warm_pool` of their own for which a wake is prepared; `null`: as many as memory allows. */
  readonly warmPool: number | null;
  /** How CRIU stops the threads of a restored process: `hardware` breakpoints, or `none` of them (CRIU_FAULT=130). */
  readonly breakpoints: "hardware" | "none";
  /** Most memory of idle and suspended functions together; `null`: no limit. */
  readonly memoryBudgetBytes: number | null;
  /** `null`: off. */
  readonly metrics: MetricsConfig | null;
  /** `null`: off. */
  readonly dataPlane: DataPlaneConfig | null;
  /** Addresses of instances with a network of their own, as "10.99.0.0/24"; `null`: a free range is looked for. */
  readonly privateRange: string | null;
}

export interface AetherConfig {
  /** Absolute path of the file; `null` for `aether run`. */
  readonly file: string | null;
  readonly engine: EngineConfig;
  readonly functions: readonly FunctionConfig[];
}

/** A function's configuration as consoles see it: the values of `env` are left out. */
export type PublicFunctionConfig = Omit<FunctionConfig, "env"> & { readonly envNames: readonly string[] };

/** One problem of a configuration file, with its place. */
export interface ConfigProblem {
  readonly code: ErrorCode;
  readonly file: string;
  /** 1-based; 0 where the file as a whole is meant. */
  readonly line: number;
  readonly column: number;
  /** Dotted path of the field, as `functions[2].trigger_port`. */
  readonly path: string;
  /** The offending text as written, shortened. Never an env value. */
  readonly text: string;
  /** What is wrong, in one line. */
  readonly message: string;
  /** The rule or the suggestion, where there is one. */
  readonly hint: string | null;
}
