/** Fills the stats region from the reactor's thread: records when something changes, a beat ten times a second. */
import { toAetherError } from "../../protocol/errors.ts";
import type { AetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import { heartbeatIntervalMs } from "../../protocol/stats-layout.ts";
import type { EnginePhase } from "../../protocol/states.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { functionRecord } from "./function-record.ts";
import type { StatsRegion } from "./stats-region.ts";
import { FunctionTally } from "./tally.ts";
import type { TrafficSource } from "./traffic.ts";

/** The functions as the recorder looks at them. */
export interface RecordedFunctions {
  readonly ids: readonly string[];
  /** `null` for one that is not there (any more). */
  view(id: string): FunctionView | null;
}

export interface RecorderParts {
  readonly region: StatsRegion;
  readonly functions: RecordedFunctions;
  readonly traffic: TrafficSource;
  readonly monotonic: () => number;
  /** The region could not grow: told once, until it could again. */
  readonly onError: (error: AetherError) => void;
}

/** Each function is looked at about so often for what changes without an event: memory, processor time, connections. */
const beatsPerRound = 10;
/** At most so many a beat, so that a wake never waits for the counters of hundreds of cgroups. */
const maxPerBeat = 8;

export class StatsRecorder implements Disposable {
  readonly #parts: RecorderParts;
  readonly #tallies = new Map<string, FunctionTally>();
  readonly #timer: NodeJS.Timeout;
  /** Functions whose tallies have changed since their records were written: a wake's event follows its view. */
  readonly #dirty = new Set<string>();
  #order: ReadonlyMap<string, number>;
  #beats = 0;
  #next = 0;
  #phase: EnginePhase;
  #readyCount = 0;
  #process = { memoryBytes: 0, cpuMs: 0 };
  /** What could not be written the last time. */
  readonly #failing = new Set<"functions" | "interfaces">();

  /** @param order ids of the functions in the order of the configuration */
  constructor(parts: RecorderParts, order: readonly string[]) {
    this.#parts = parts;
    this.#order = positions(order);
    this.#phase = order.length === 0 ? "running" : "starting";
    this.#beat();
    this.#timer = setInterval(() => this.#beat(), heartbeatIntervalMs);
  }

  /** A function is made, or made anew: it counts from zero. */
  made(id: string): void {
    this.#parts.region.removeFunction(id);
    this.#tallies.set(id, new FunctionTally());
  }

  removed(id: string): void {
    this.#tallies.delete(id);
    this.#parts.region.removeFunction(id);
  }

  /** Another configuration is in force. */
  reordered(order: readonly string[]): void {
    this.#order = positions(order);
    this.#readyCount = order.length;
    this.changed(new Set(this.#parts.functions.ids));
  }

  /** Counts an event. */
  take(event: EventBody): void {
    if (event.type === "progress") {
      this.#readyCount = event.ready;
      if (event.ready === event.total && this.#phase === "starting") this.#phase = "running";
      return;
    }
    if (event.type === "error") {
      this.#parts.region.countError(event.error.code, event.functionId !== null);
    }
    if (!("functionId" in event) || event.functionId === null) return;
    this.#tallies.get(event.functionId)?.take(event);
    this.#dirty.add(event.functionId);
  }

  /** Writes the records of functions that have changed. */
  changed(ids: ReadonlySet<string>): void {
    const { region } = this.#parts;
    let failure: unknown = null;
    for (const id of ids) {
      this.#dirty.delete(id);
      try {
        this.#record(id);
      } catch (error) {
        failure = error;
      }
    }
    region.flush();
    this.#tell("functions", failure);
  }

  /** An error goes out once, until what it is about has worked again. */
  #tell(what: "functions" | "interfaces", failure: unknown): void {
    if (failure === null) return void this.#failing.delete(what);
    if (this.#failing.has(what)) return;
    this.#failing.add(what);
    this.#parts.onError(toAetherError(failure));
  }

  #recordInterfaces(): void {
    try {
      this.#parts.region.setInterfaces(this.#parts.traffic.interfaces());
      this.#tell("interfaces", null);
    } catch (error) {
      this.#tell("interfaces", error);
    }
  }

  #record(id: string): void {
    const { region, functions, traffic } = this.#parts;
    const view = functions.view(id);
    const tally = this.#tallies.get(id);
    if (view === null || tally === undefined) return;
    region.setFunction(
      functionRecord({
        view,
        tally,
        traffic: traffic.ofPort(view.triggerPort ?? 0),
        position: this.#order.get(id) ?? this.#order.size,
        cpuMsBefore: region.functionRecord(id)?.cpuMs ?? 0,
      }),
    );
  }

  #beat(): void {
    const { region, functions, monotonic } = this.#parts;
    if (this.#beats % beatsPerRound === 0) {
      const { user, system } = process.cpuUsage();
      this.#process = { memoryBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1000 };
    }
    this.#beats += 1;
    region.beat({
      heartbeatMs: monotonic(),
      beats: this.#beats,
      phase: this.#phase,
      readyCount: this.#readyCount,
      functionCount: this.#order.size,
      ...this.#process,
    });
    const { ids } = functions;
    const looks = Math.min(maxPerBeat, Math.ceil(ids.length / beatsPerRound));
    const due = new Set(this.#dirty);
    for (let count = 0; count < looks; count++) {
      const id = ids[this.#next % ids.length];
      this.#next += 1;
      if (id !== undefined && this.#mayDiffer(id)) due.add(id);
    }
    this.changed(due);
    this.#recordInterfaces();
  }

  /** Asleep, a function changes by events only, and by packets that the kernel counts. */
  #mayDiffer(id: string): boolean {
    const { region, traffic } = this.#parts;
    const record = region.functionRecord(id);
    if (record === null || record.instances > 0) return true;
    return traffic.ofPort(record.triggerPort).packets !== record.packets;
  }

  /** The engine is leaving: the beat goes on until it has left. */
  stopping(): void {
    this.#phase = "stopping";
    this.#beat();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#parts.region[Symbol.dispose]();
  }
}

const positions = (order: readonly string[]): ReadonlyMap<string, number> =>
  new Map(order.map((id, index) => [id, index]));
