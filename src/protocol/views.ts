/** What the engine publishes of itself: bounded views of state, at most four a second. */
import type { EngineConfig, PublicFunctionConfig } from "./config.ts";
import type { ErrorData } from "./errors.ts";
import type { Activity, EnginePhase, InstanceState } from "./states.ts";

/** Quantiles over the last restores or wakes of a function. */
export interface LatencyView {
  readonly count: number;
  readonly lastMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** The two rings of an instance with an SDK or a handler. */
export interface RingUsage {
  /** Of both together. */
  readonly capacityBytes: number;
  /** Written and not yet read by the other side. */
  readonly usedBytes: number;
  /** Events given to it and not yet answered. */
  readonly pending: number;
}

export interface InstanceView {
  readonly id: string;
  /** Process id on the host; `null` while it does not exist. */
  readonly pid: number | null;
  readonly state: InstanceState;
  /** IPv4 address in a network of its own; `null`: it shares the machine's. */
  readonly address: string | null;
  /** Memory of the instance's cgroup, bytes; `null` where it is not known. */
  readonly memoryBytes: number | null;
  readonly cpuMs: number | null;
  /** `null`: it has none. */
  readonly ring: RingUsage | null;
}

export interface SnapshotView {
  readonly atMs: number;
  readonly sizeBytes: number;
  readonly golden: boolean;
  /** How its pages come back: read (`stock`) or mapped. */
  readonly image: "stock" | "mapped";
  /** Why so, in words. */
  readonly imageReason: string;
  readonly dumpMs: number;
  /** Median of the trial restores; `null` where none was tried. */
  readonly trialMs: number | null;
}

export interface FunctionView {
  readonly id: string;
  readonly state: InstanceState;
  readonly activity: Activity;
  /** Wall clock, when the state was entered. */
  readonly stateSinceMs: number;
  readonly triggerPort: number | null;
  readonly instances: readonly InstanceView[];
  readonly wakes: number;
  readonly coldStarts: number;
  readonly exits: number;
  readonly violations: number;
  readonly openConnections: number;
  readonly restore: LatencyView;
  /** From the connection seen to the hand-over. */
  readonly wake: LatencyView;
  readonly snapshot: SnapshotView | null;
  /** Wakes that are prepared ahead. */
  readonly prepared: number;
  /** Whether the restore of the next one is done already, up to its first instruction. */
  readonly restoredAhead: boolean;
  /** Memory of its instance while it runs, else just before it last went to sleep; `null`: not known. */
  readonly awakeMemoryBytes: number | null;
  readonly lastError: ErrorData | null;
  readonly config: PublicFunctionConfig;
}

/** Connections of one function as the kernel's program has counted them since the engine began (bpf/cgroup.bpf.c). */
export interface ConnectionCount {
  readonly id: string;
  /** Opened so far, those over included. */
  readonly opened: number;
  readonly open: number;
  /** Wall clock of the last connection opened or closed; `null`: none yet. */
  readonly lastChangeMs: number | null;
}

/** What the idle policy looks at, of all functions at one moment. */
export interface ConnectionCounts {
  readonly atMs: number;
  readonly functions: readonly ConnectionCount[];
}

/** The data plane as the engine believes it to be; `aether doctor` compares that with the kernel. */
export interface DataPlaneView {
  readonly interfaces: readonly {
    readonly name: string;
    readonly mode: "native" | "generic" | "offloaded";
    readonly programId: number;
  }[];
  /** Kernel id of port_redirect_map. */
  readonly portMapId: number;
  /** What it should hold; `pid` 0: asleep. */
  readonly ports: readonly { readonly port: number; readonly pid: number; readonly address: string }[];
}

export interface EngineView {
  readonly engine: {
    readonly name: string;
    readonly pid: number;
    readonly version: string;
    readonly startedAtMs: number;
    readonly configFile: string | null;
    readonly config: EngineConfig;
    readonly phase: EnginePhase;
    readonly readyCount: number;
    readonly criuVersion: string;
    /** What was changed on the host, in words, and is put back on leaving. */
    readonly hostChanges: readonly string[];
    /** `null`: off. */
    readonly dataPlane: DataPlaneView | null;
  };
  readonly functions: readonly FunctionView[];
}
