/**
 * Every metric there is: name, kind, meaning, and its values from one look at the stats region. docs/metrics.md is made
 * from this table, and the dashboard is checked against it.
 */
import { instanceStates } from "../../protocol/states.ts";
import type { FunctionStats } from "../../protocol/stats-layout.ts";
import type { StatsSnapshot } from "../../protocol/stats-reader.ts";

/** What a scrape is made from. */
export interface Scrape {
  readonly snapshot: StatsSnapshot;
  readonly heartbeatAgeMs: number;
  readonly openFds: number;
}

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Counts by the buckets of protocol/latency-buckets.ts, not cumulative. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly counts: readonly number[];
  readonly sumMs: number;
}

interface FamilyText {
  /** As queries name it; a counter ends in _total. */
  readonly name: string;
  readonly help: string;
  /** Base unit, where the name carries one. */
  readonly unit?: "seconds" | "bytes";
}

export type Family =
  | (FamilyText & {
      readonly type: "counter" | "gauge" | "info";
      readonly samples: (scrape: Scrape) => readonly Sample[];
    })
  | (FamilyText & {
      readonly type: "histogram";
      readonly samples: (scrape: Scrape) => readonly HistogramSample[];
    });

const seconds = (ms: number): number => ms / 1000;

const perFunction =
  (value: (stats: FunctionStats) => number | null) =>
  ({ snapshot }: Scrape): Sample[] =>
    snapshot.functions.flatMap((stats) => {
      const known = value(stats);
      return known === null ? [] : [{ labels: { function: stats.id }, value: known }];
    });

const perPort =
  (value: (stats: FunctionStats) => number) =>
  ({ snapshot }: Scrape): Sample[] =>
    snapshot.functions.flatMap((stats) =>
      stats.triggerPort === 0
        ? []
        : [{ labels: { function: stats.id, port: String(stats.triggerPort) }, value: value(stats) }],
    );

const perInterface =
  (value: (stats: StatsSnapshot["interfaces"][number]) => number) =>
  ({ snapshot }: Scrape): Sample[] =>
    snapshot.interfaces.map((stats) => ({ labels: { interface: stats.name }, value: value(stats) }));

const whole =
  (value: (scrape: Scrape) => number) =>
  (scrape: Scrape): Sample[] => [{ labels: {}, value: value(scrape) }];

const tiers = ({ snapshot }: Scrape): readonly (HistogramSample & { readonly count: number })[] =>
  snapshot.functions.flatMap((stats) => {
    const of = (tier: string, counts: readonly number[], sumMs: number, count: number) => ({
      labels: { function: stats.id, tier },
      counts,
      sumMs,
      count,
    });
    return [
      of("suspended", stats.wakeSuspendedCounts, stats.wakeSuspendedSumMs, stats.wakesSuspended),
      of("snapshot", stats.wakeSnapshotCounts, stats.wakeSnapshotSumMs, stats.wakesSnapshot),
      of("cold", stats.wakeColdCounts, stats.wakeColdSumMs, stats.wakesCold),
    ];
  });

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

export const families: readonly Family[] = [
  {
    name: "function_restores_total",
    type: "counter",
    help: "Restores of a snapshot that served.",
    samples: perFunction((stats) => sum(stats.restoreCounts)),
  },
  {
    name: "function_restore_duration_seconds",
    type: "histogram",
    unit: "seconds",
    help: "From the restore sent to CRIU to its answer.",
    samples: ({ snapshot }) =>
      snapshot.functions.map((stats) => ({
        labels: { function: stats.id },
        counts: stats.restoreCounts,
        sumMs: stats.restoreSumMs,
      })),
  },
  {
    name: "function_restore_budget_seconds",
    type: "gauge",
    unit: "seconds",
    help: "Declared limit on a restore.",
    samples: perFunction((stats) => seconds(stats.restoreBudgetMs)),
  },
  {
    name: "function_latency_violations_total",
    type: "counter",
    help: "Restores over their budget, trials included.",
    samples: perFunction((stats) => stats.violations),
  },
  {
    name: "function_wakes_total",
    type: "counter",
    help: "Wakes, by the tier in which the function slept: suspended, snapshot or cold.",
    samples: (scrape) => tiers(scrape).map(({ labels, count }) => ({ labels, value: count })),
  },
  {
    name: "function_failed_wakes_total",
    type: "counter",
    help: "Wakes that did not come about; their clients were reset.",
    samples: perFunction((stats) => stats.wakesFailed),
  },
  {
    name: "function_wake_duration_seconds",
    type: "histogram",
    unit: "seconds",
    help: "From the connection seen to the hand-over, by tier.",
    samples: tiers,
  },
  {
    name: "warm_pool_size",
    type: "gauge",
    help: "Restores made ready ahead.",
    samples: perFunction((stats) => stats.warmPool),
  },
  {
    name: "function_cold_starts_total",
    type: "counter",
    help: "Starts from nothing, for whatever reason.",
    samples: perFunction((stats) => stats.coldStarts),
  },
  {
    name: "function_exits_total",
    type: "counter",
    help: "Instances that ended by themselves.",
    samples: perFunction((stats) => stats.exits),
  },
  {
    name: "function_errors_total",
    type: "counter",
    help: "Errors reported for the function.",
    samples: perFunction((stats) => stats.errors),
  },
  {
    name: "function_state",
    type: "gauge",
    help: "1 for the state in which the function is, 0 for the others.",
    samples: ({ snapshot }) =>
      snapshot.functions.flatMap((stats) =>
        instanceStates.map((state) => ({
          labels: { function: stats.id, state },
          value: stats.state === state ? 1 : 0,
        })),
      ),
  },
  {
    name: "function_instances",
    type: "gauge",
    help: "Running copies, frozen ones included.",
    samples: perFunction((stats) => stats.instances),
  },
  {
    name: "function_open_connections",
    type: "gauge",
    help: "Open connections.",
    samples: perFunction((stats) => stats.openConnections),
  },
  {
    name: "function_ring_capacity_bytes",
    type: "gauge",
    unit: "bytes",
    help: "Size of the rings of the function's running copies, both directions; none where it has none.",
    samples: perFunction((stats) => stats.ringCapacityBytes),
  },
  {
    name: "function_ring_used_bytes",
    type: "gauge",
    unit: "bytes",
    help: "Bytes written into its rings and not yet read by the other side.",
    samples: perFunction((stats) => stats.ringUsedBytes),
  },
  {
    name: "function_ring_pending_events",
    type: "gauge",
    help: "Events given to the function over its rings and not yet answered.",
    samples: perFunction((stats) => (stats.ringCapacityBytes === null ? null : stats.ringPending)),
  },
  {
    name: "function_memory_bytes",
    type: "gauge",
    unit: "bytes",
    help: "Memory of the function's cgroup; none while it does not run.",
    samples: perFunction((stats) => stats.memoryBytes),
  },
  {
    name: "function_cpu_seconds_total",
    type: "counter",
    unit: "seconds",
    help: "Processor time of the function's cgroup.",
    samples: perFunction((stats) => seconds(stats.cpuMs)),
  },
  {
    name: "function_snapshot_bytes",
    type: "gauge",
    unit: "bytes",
    help: "Size of the snapshot; none where there is none.",
    samples: perFunction((stats) => stats.snapshotBytes),
  },
  {
    name: "function_packets_total",
    type: "counter",
    help: "Packets that the data plane saw for the trigger port.",
    samples: perPort((stats) => stats.packets),
  },
  {
    name: "function_bytes_total",
    type: "counter",
    unit: "bytes",
    help: "Their bytes, with all headers.",
    samples: perPort((stats) => stats.bytes),
  },
  {
    name: "function_syns_total",
    type: "counter",
    help: "First packets of connections among them.",
    samples: perPort((stats) => stats.syns),
  },
  {
    name: "function_dropped_packets_total",
    type: "counter",
    help: "Packets that the data plane dropped.",
    samples: perPort((stats) => stats.drops),
  },
  {
    name: "interface_packets_total",
    type: "counter",
    help: "Packets that the data plane saw on an interface.",
    samples: perInterface((stats) => stats.packets),
  },
  {
    name: "interface_bytes_total",
    type: "counter",
    unit: "bytes",
    help: "Their bytes, with all headers.",
    samples: perInterface((stats) => stats.bytes),
  },
  {
    name: "interface_syns_total",
    type: "counter",
    help: "First packets of connections to declared ports among them.",
    samples: perInterface((stats) => stats.syns),
  },
  {
    name: "interface_dropped_packets_total",
    type: "counter",
    help: "Packets that the data plane dropped on an interface.",
    samples: perInterface((stats) => stats.drops),
  },
  {
    name: "aether_errors_total",
    type: "counter",
    help: "Errors reported, by their code, of functions and engine alike.",
    samples: ({ snapshot }) => snapshot.errors.map(({ code, count }) => ({ labels: { code }, value: count })),
  },
  {
    name: "aether_engine_info",
    type: "info",
    help: "Which engine this is.",
    samples: ({ snapshot: { header } }) => [
      {
        labels: { engine: header.name, version: header.version, criu_version: header.criuVersion },
        value: 1,
      },
    ],
  },
  {
    name: "aether_functions",
    type: "gauge",
    help: "Functions declared.",
    samples: whole(({ snapshot }) => snapshot.pulse.functionCount),
  },
  {
    name: "aether_functions_ready",
    type: "gauge",
    help: "Functions that were brought to their first states.",
    samples: whole(({ snapshot }) => snapshot.pulse.readyCount),
  },
  {
    name: "aether_heartbeat_age_seconds",
    type: "gauge",
    unit: "seconds",
    help: "Since the thread that owns the functions last beat; it does so every 0.1 s.",
    samples: whole(({ heartbeatAgeMs }) => seconds(heartbeatAgeMs)),
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    unit: "seconds",
    help: "When the engine started, since 1970.",
    samples: whole(({ snapshot }) => seconds(snapshot.header.startedAtMs)),
  },
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    unit: "seconds",
    help: "Processor time of the engine's process, functions not included.",
    samples: whole(({ snapshot }) => seconds(snapshot.pulse.cpuMs)),
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    unit: "bytes",
    help: "Resident memory of the engine's process.",
    samples: whole(({ snapshot }) => snapshot.pulse.memoryBytes),
  },
  {
    name: "process_open_fds",
    type: "gauge",
    help: "Open descriptors of the engine's process.",
    samples: whole(({ openFds }) => openFds),
  },
];
