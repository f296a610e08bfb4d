/** States as an engine would publish them. */
import type { HostFigures } from "../../src/client/host-figures.ts";
import type { Figures } from "../../src/client/figures.ts";
import type { PublicFunctionConfig } from "../../src/protocol/config.ts";
import type { EventBody } from "../../src/protocol/events.ts";
import type { InvocationRecord } from "../../src/protocol/invocations.ts";
import { counterNames } from "../../src/protocol/stats-layout.ts";
import type { Counters } from "../../src/protocol/stats-layout.ts";
import type { TapMessage } from "../../src/protocol/tap.ts";
import { unparsedReasons } from "../../src/protocol/unparsed-reasons.ts";
import type { EngineView, FunctionView } from "../../src/protocol/views.ts";

const startedAtMs = Date.UTC(2026, 10, 20, 14, 0, 0);
const mib = 1024 * 1024;

export function fakeConfig(id: string, port: number | null): PublicFunctionConfig {
  return {
    id,
    command: ["python3", `${id}.py`],
    program: "/usr/bin/python3",
    cwd: `/srv/${id}`,
    triggerPort: port,
    protocol: "tcp",
    network: "shared",
    instances: 1,
    ready: { kind: "handshake" },
    readyTimeoutMs: 10_000,
    envNames: ["DATABASE_URL", "API_TOKEN"],
    memoryLimitBytes: 128 * mib,
    user: null,
    privileged: false,
    ring: false,
    handler: null,
    sleep: "keep",
    start: "snapshot",
    idle: { suspendAfterMs: 30_000, snapshotAfterMs: 300_000, ignoreOpen: false, reclaim: false },
    connections: "refuse",
    wakeOn: "connection",
    maxConnectionsPerSecond: null,
    restoreBudgetMs: 15,
    onViolation: "serve",
    onRestoreFailure: "fail",
    image: "auto",
    warmPool: null,
    restoreAhead: "auto",
    warmup: [{ method: "GET", path: "/", headers: {}, body: null, compare: "answer", ignoreHeaders: [] }],
    proveDeploy: true,
    stopSignal: "SIGTERM",
    stopTimeoutMs: 5_000,
  };
}

/** A running function; `index` makes its figures differ from its neighbours'. */
export function fakeFunction(id: string, index = 0, change: Partial<FunctionView> = {}): FunctionView {
  const port = 8080 + index;
  return {
    id,
    state: "Running",
    activity: null,
    stateSinceMs: startedAtMs + index * 61_000,
    triggerPort: port,
    instances: [
      {
        id,
        pid: 4200 + index * 17,
        state: "Running",
        address: null,
        memoryBytes: (11 + ((index * 7) % 60)) * mib,
        cpuMs: 320 + index * 9,
        ring: null,
      },
    ],
    wakes: 12 + index * 5,
    coldStarts: 1,
    exits: 0,
    violations: 0,
    openConnections: index % 3,
    restore: {
      count: 12,
      lastMs: 8.4 + index * 0.3,
      p50Ms: 8.1 + index * 0.2,
      p95Ms: 11.4 + index * 0.4,
      p99Ms: 12.2 + index * 0.4,
    },
    wake: {
      count: 12,
      lastMs: 9.1 + index * 0.3,
      p50Ms: 9.0 + index * 0.2,
      p95Ms: 12.9 + index * 0.4,
      p99Ms: 14.6 + index * 0.4,
    },
    snapshot: {
      atMs: startedAtMs + 4_000,
      sizeBytes: 9.8 * mib,
      golden: true,
      image: "mapped",
      imageReason: "CPython",
      dumpMs: 132,
      trialMs: 8.2,
    },
    prepared: 1,
    restoredAhead: false,
    awakeMemoryBytes: null,
    lastError: null,
    config: fakeConfig(id, port),
    ...change,
  };
}

/** A sleeping function: an image, no process. */
export function asleep(id: string, index = 0, change: Partial<FunctionView> = {}): FunctionView {
  return fakeFunction(id, index, { state: "WarmSnapshot", instances: [], openConnections: 0, ...change });
}

export function fakeEngineView(functions: readonly FunctionView[]): EngineView {
  return {
    engine: {
      name: "demo",
      pid: 31_337,
      version: "0.1.0",
      startedAtMs,
      configFile: "/srv/shop/aether.yaml",
      config: {
        name: "demo",
        snapshotDir: "/dev/shm",
        keepSnapshots: false,
        restoreBudgetMs: 15,
        onViolation: "serve",
        logLevel: "info",
        maxParallelRestores: 4,
        warmPool: null,
        breakpoints: "hardware",
        memoryBudgetBytes: null,
        metrics: null,
        dataPlane: null,
        privateRange: null,
      },
      phase: "running",
      readyCount: functions.length,
      criuVersion: "4.2.1",
      hostChanges: ["net.ipv4.tcp_migrate_req was 0, is 1"],
      dataPlane: null,
    },
    functions,
  };
}

/** A wake as the engine reports it. */
export function fakeWake(functionId: string): Extract<EventBody, { type: "wake" }> {
  return {
    type: "wake",
    functionId,
    instance: functionId,
    tier: "snapshot",
    cause: "connection",
    seenAtMs: 1_000,
    phases: { handshake: 60, queue: 20, sandbox: 40, restore: 8_000, listeners: 300, handover: 80 },
    restoreMs: 8,
    totalMs: 9,
    budgetMs: 15,
    ahead: false,
    overBudget: false,
    criu: { forkUs: 1_800, restoreUs: 6_100, pagesRead: 90 },
    error: null,
  };
}

/** Figures of an engine whose functions all have some traffic, but the last. */
export function fakeFigures(view: EngineView, change: Partial<Figures> = {}): Figures {
  const unparsed = unparsedReasons.map((_, index) => (index % 4 === 1 ? 7 * index : 0));
  const rates = { packets: [0, 12, 30], bytes: [0, 900, 2400], drops: [0, 0, 1] };
  const counters = Object.fromEntries(counterNames.map((name) => [name, 0])) as unknown as Counters;
  return {
    atMs: startedAtMs + 12 * 60_000,
    heartbeatAgeMs: 40,
    engine: { memoryBytes: 180 * mib, cpuPercent: [0.4, 1.2, 3.1] },
    totals: { ...counters, errorsElsewhere: 0 },
    errors: [],
    interfaces: [
      {
        stats: { name: "lo", packets: 4_200, bytes: 910_000, syns: 0, drops: 3, redirected: 0, unparsed },
        rates,
      },
    ],
    functions: new Map(
      view.functions.map((fn, index) => [
        fn.id,
        {
          cpuPercent: fn.instances.length === 0 ? null : 0.4 + index,
          totals: { packets: 420 * (index + 1), bytes: 91_000, syns: 37, drops: index === 0 ? 3 : 0 },
          rates: index === view.functions.length - 1 ? { packets: [], bytes: [], drops: [] } : rates,
          errors: 0,
          wakesFailed: 0,
        },
      ]),
    ),
    ...change,
  };
}

/** Every third fails. */
export function fakeInvocation(functionId: string, index = 0): InvocationRecord {
  const failed = index % 3 === 2;
  return {
    id: `0000-${index}`,
    functionId,
    startedAtMs: startedAtMs + index * 1_000,
    durationMs: 10.4 + index,
    tier: index % 2 === 0 ? "snapshot" : null,
    via: "ring",
    status: failed ? "error" : "ok",
    error: failed ? { code: "AE_INVOKE_FAILED", message: "ValueError: no such item" } : null,
  };
}

export function fakePackets(count: number, dropped = 0): TapMessage {
  return {
    type: "packets",
    dropped,
    packets: Array.from({ length: count }, (_, index) => ({
      atMs: startedAtMs + index + 0.123,
      interface: "lo",
      lengthBytes: 74,
      summary: `127.0.0.1:${40_000 + index} > 127.0.0.1:8080 TCP [S] seq ${index} win 65495 len 0`,
    })),
  };
}

export const fakeHost: HostFigures = {
  atMs: startedAtMs,
  cpuPercent: [3, 12, 48],
  cores: 2,
  load: [0.42, 0.3, 0.21],
  memory: { totalBytes: 24 * 1024 * mib, availableBytes: 20 * 1024 * mib },
  swap: { totalBytes: 0, freeBytes: 0 },
  storage: { path: "/dev/shm", totalBytes: 12 * 1024 * mib, freeBytes: 11 * 1024 * mib },
  facts: { os: "Debian GNU/Linux 12", kernel: "6.18", processor: "EPYC", cores: 2, virtual: "KVM" },
};
