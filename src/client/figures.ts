/** What changes all the time, as rates: made of readings of the stats region that are a second apart. */
import type { ErrorStats, InterfaceStats, TotalStats } from "../protocol/stats-layout.ts";
import type { StatsSnapshot } from "../protocol/stats-reader.ts";

/** Least time between two readings, less what a timer may come early: a second one must not be two seconds after the first. */
const figureIntervalMs = 1_000;
const earlyMs = 125;
/** Readings kept for sparklines: a minute. */
export const figuresKept = 60;
/** The engine looks at each function's processor time about once a second; over fewer readings its rate would jump. */
const cpuWindow = 5;

/** Per second, oldest first. */
export interface TrafficRates {
  readonly packets: readonly number[];
  readonly bytes: readonly number[];
  readonly drops: readonly number[];
}

export interface TrafficTotals {
  readonly packets: number;
  readonly bytes: number;
  readonly syns: number;
  readonly drops: number;
}

export interface InterfaceFigures {
  readonly stats: InterfaceStats;
  readonly rates: TrafficRates;
}

export interface FunctionFigures {
  /** Of one processor; `null` while nothing runs. */
  readonly cpuPercent: number | null;
  readonly totals: TrafficTotals;
  readonly rates: TrafficRates;
  /** Errors reported so far. */
  readonly errors: number;
  readonly wakesFailed: number;
}

export interface Figures {
  /** Wall clock of the reading. */
  readonly atMs: number;
  /** Since the engine's last beat. */
  readonly heartbeatAgeMs: number;
  readonly engine: {
    readonly memoryBytes: number;
    /** Of one processor, oldest first. */
    readonly cpuPercent: readonly number[];
  };
  readonly totals: TotalStats;
  readonly errors: readonly ErrorStats[];
  readonly interfaces: readonly InterfaceFigures[];
  readonly functions: ReadonlyMap<string, FunctionFigures>;
}

/** So often the age of a heartbeat and the engine's own figures are told while nothing else changes. */
const quietIntervalMs = 5_000;

/** Whether there is anything to draw in `now` that was not in `before`. */
export function isNews(now: Figures, before: Figures | null): boolean {
  if (before === null || now.atMs - before.atMs >= quietIntervalMs) return true;
  if (now.errors.some((each, index) => each.count !== before.errors[index]?.count)) return true;
  if (now.functions.size !== before.functions.size || now.interfaces.length !== before.interfaces.length)
    return true;
  if (now.interfaces.some(({ rates }, index) => differ(rates, before.interfaces[index]?.rates))) return true;
  return [...now.functions].some(([id, each]) => {
    const known = before.functions.get(id);
    return (
      known === undefined ||
      each.cpuPercent !== known.cpuPercent ||
      each.errors !== known.errors ||
      each.wakesFailed !== known.wakesFailed ||
      differ(each.rates, known.rates)
    );
  });
}

function differ(now: TrafficRates, before: TrafficRates | undefined): boolean {
  return now.packets !== before?.packets || now.bytes !== before.bytes || now.drops !== before.drops;
}

interface Reading {
  readonly atMs: number;
  readonly traffic: ReadonlyMap<string, TrafficTotals>;
  readonly cpuMs: ReadonlyMap<string, number>;
  readonly engineCpuMs: number;
}

const noRates: TrafficRates = { packets: [], bytes: [], drops: [] };
/** A line of nothing is not made longer: what shows the same stays the same object. */
const append = (values: readonly number[], value: number): readonly number[] =>
  value === 0 && values.length > 0 && values.every((each) => each === 0)
    ? values
    : [...values, value].slice(-figuresKept);

/** A counter that fell belongs to something made anew: it has counted from zero. */
const perSecond = (now: number, before: number, seconds: number): number =>
  seconds <= 0 ? 0 : (now >= before ? now - before : now) / seconds;

function ratesAfter(
  rates: TrafficRates,
  now: TrafficTotals,
  before: TrafficTotals | undefined,
  seconds: number,
): TrafficRates {
  if (before === undefined) return rates;
  return {
    packets: append(rates.packets, perSecond(now.packets, before.packets, seconds)),
    bytes: append(rates.bytes, perSecond(now.bytes, before.bytes, seconds)),
    drops: append(rates.drops, perSecond(now.drops, before.drops, seconds)),
  };
}

/** Keeps the last minute. One a connection. */
export class FigureKeeper {
  readonly #readings: Reading[] = [];
  #figures: Figures | null = null;
  #told: Figures | null = null;

  /** What was told last. */
  get told(): Figures | null {
    return this.#told;
  }

  /**
   * Takes in a reading when one is due.
   * @returns `null`: it is too soon for one, or there is nothing to draw in it that was not told before
   */
  news(snapshot: StatsSnapshot, monotonicMs: number, wallMs: number): Figures | null {
    const last = this.#readings.at(-1);
    if (last !== undefined && monotonicMs - last.atMs < figureIntervalMs - earlyMs) return null;
    const figures = this.take(snapshot, monotonicMs, wallMs);
    if (!isNews(figures, this.#told)) return null;
    this.#told = figures;
    return figures;
  }

  /**
   * Takes in a reading.
   * @param monotonicMs CLOCK_MONOTONIC, ms
   * @param wallMs ms since 1970
   */
  take(snapshot: StatsSnapshot, monotonicMs: number, wallMs: number): Figures {
    const before = this.#readings.at(-1);
    const seconds = before === undefined ? 0 : (monotonicMs - before.atMs) / 1000;
    const known = this.#figures;
    const engineCpu = known?.engine.cpuPercent ?? [];
    const { pulse, functions, interfaces } = snapshot;
    const figures: Figures = {
      atMs: wallMs,
      heartbeatAgeMs: Math.max(0, monotonicMs - pulse.heartbeatMs),
      engine: {
        memoryBytes: pulse.memoryBytes,
        cpuPercent:
          before === undefined
            ? engineCpu
            : append(engineCpu, perSecond(pulse.cpuMs, before.engineCpuMs, seconds) / 10),
      },
      totals: snapshot.totals,
      errors: snapshot.errors,
      interfaces: interfaces.map((stats) => {
        const rates = known?.interfaces.find((each) => each.stats.name === stats.name)?.rates ?? noRates;
        return {
          stats,
          rates: ratesAfter(rates, stats, before?.traffic.get(`interface ${stats.name}`), seconds),
        };
      }),
      functions: new Map(
        functions.map((stats) => {
          const { id, packets, bytes, syns, drops, errors, wakesFailed } = stats;
          const rates = known?.functions.get(id)?.rates ?? noRates;
          return [
            id,
            {
              cpuPercent: stats.instances === 0 ? null : this.#cpuPercent(id, stats.cpuMs, monotonicMs),
              totals: { packets, bytes, syns, drops },
              rates: ratesAfter(rates, stats, before?.traffic.get(`function ${id}`), seconds),
              errors,
              wakesFailed,
            },
          ];
        }),
      ),
    };
    this.#figures = figures;
    this.#keep(snapshot, monotonicMs);
    return figures;
  }

  /** Over the last few readings; `null` until there are two. */
  #cpuPercent(id: string, cpuMs: number, monotonicMs: number): number | null {
    const first = this.#readings.at(-cpuWindow) ?? this.#readings[0];
    const before = first?.cpuMs.get(id);
    if (first === undefined || before === undefined) return null;
    return perSecond(cpuMs, before, (monotonicMs - first.atMs) / 1000) / 10;
  }

  #keep({ pulse, functions, interfaces }: StatsSnapshot, monotonicMs: number): void {
    this.#readings.push({
      atMs: monotonicMs,
      engineCpuMs: pulse.cpuMs,
      cpuMs: new Map(functions.map(({ id, cpuMs }) => [id, cpuMs])),
      traffic: new Map<string, TrafficTotals>([
        ...interfaces.map((each): [string, TrafficTotals] => [`interface ${each.name}`, each]),
        ...functions.map((each): [string, TrafficTotals] => [`function ${each.id}`, each]),
      ]),
    });
    if (this.#readings.length > cpuWindow) this.#readings.shift();
  }
}
