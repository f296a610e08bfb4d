/** The functions of an engine: brought up together, changed one by one, ended together. */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { ConnectionCount, FunctionView } from "../../protocol/views.ts";
import type { TakenListener } from "../lifecycle/driver.ts";
import { functionOf, mergeViews, replicaIds } from "../lifecycle/replicas.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import type { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { Image } from "../snapshot/image.ts";
import type { IdleFunction } from "../wake/memory-budget.ts";
import { Gate } from "../wake/gate.ts";

export interface FunctionTableParts {
  /** A function is there, or there anew; its instances follow. Throws AetherError. */
  declare(config: FunctionConfig): void;
  /**
   * Makes an instance with all it needs; nothing of it runs yet. Throws AetherError.
   * @param config that of the function, with the id of the instance (lifecycle/replicas.ts)
   */
  make(config: FunctionConfig): FunctionRuntime;
  /** The instances of a function are made. Throws AetherError. */
  made(config: FunctionConfig): void;
  /**
   * Starts a new version of a function away from its clients, and lets it prove itself.
   * @returns the image it begins with; `null` where there is nothing to prove
   */
  rehearse(config: FunctionConfig): Promise<Image | null>;
  /** Gives up what `make` took from the machine. */
  unmake(replicaId: string): void;
  /** The function is gone, with all its instances. */
  removed(id: string): void;
  emit(event: EventBody): void;
  changed(id: string): void;
  discard(path: string): void;
  /** Starts at once. */
  readonly parallelStarts: number;
}

export class FunctionTable {
  readonly #parts: FunctionTableParts;
  /** Function -> its instances by their ids; most have one. */
  readonly #functions = new Map<string, ReadonlyMap<string, FunctionRuntime>>();
  #closing = false;
  /** Goes up with every event: whose turn it is. */
  #turn = 0;

  constructor(parts: FunctionTableParts) {
    this.#parts = parts;
  }

  get ids(): readonly string[] {
    return [...this.#functions.keys()];
  }

  /** `null` for one that is not there (any more). */
  view(id: string): FunctionView | null {
    const views = [...(this.#functions.get(id)?.values() ?? [])].map((runtime) => runtime.view());
    return views.length === 0 ? null : mergeViews(views);
  }

  /** @param toWallMs what makes a wall clock time of a monotonic one */
  connections(toWallMs: number): readonly ConnectionCount[] {
    return [...this.#functions].map(([id, replicas]) =>
      mergeConnections(
        id,
        [...replicas.values()].map((runtime) => runtime.connections(toWallMs)),
      ),
    );
  }

  /** Brings all functions to their first states. One that fails is reported, and holds up no other. */
  async begin(functions: readonly FunctionConfig[], adopted: Readonly<Record<string, Image>>): Promise<void> {
    const made = functions.map((config) => this.#add(config));
    const gate = new Gate(this.#parts.parallelStarts);
    let done = 0;
    await Promise.all(
      made.map(async (replicas) => {
        await Promise.all(
          replicas.map((runtime) =>
            gate.run(async () => {
              // A reload may have replaced it while it waited for its turn.
              if (this.#runtime(runtime.id) !== runtime) return;
              const image = adopted[runtime.id] ?? null;
              await runtime.begin(image, [], image === null ? "start" : "adopted");
            }),
          ),
        );
        done += 1;
        this.#parts.emit({ type: "progress", ready: done, total: functions.length });
      }),
    );
  }

  /**
   * Applies a difference. New versions that have something to prove do so first, beside those that serve: if one fails, all
   * stays as it is. Then whatever must give way ends; the listeners it leaves, clients queued on them included, go to
   * whichever function has the port now.
   * @throws AetherError of the first new version that failed; nothing has changed then
   */
  async apply(change: {
    readonly added: readonly FunctionConfig[];
    readonly replaced: readonly FunctionConfig[];
    readonly updated: readonly FunctionConfig[];
    readonly removed: readonly string[];
  }): Promise<void> {
    const proven = await this.#proveAll(change.replaced);
    for (const config of change.updated)
      for (const runtime of this.#replicas(config.id)) runtime.update({ ...config, id: runtime.id });
    const ending = [...change.removed, ...change.replaced.map(({ id }) => id)];
    const freed = (await Promise.all(ending.map((id) => this.#end(id)))).flat();
    const beginning = this.#closing ? [] : [...change.replaced, ...change.added];
    const ports = new Set(beginning.map(({ triggerPort }) => triggerPort));
    for (const { port, fd } of freed) if (!ports.has(port)) fd.close();
    await Promise.all(
      beginning.map(async (config) => {
        const inherited = freed.filter(({ port }) => port === config.triggerPort);
        await this.#succeed(config, proven.get(config.id) ?? null, inherited, "reload");
      }),
    );
  }

  /** Makes a function and brings it to its first state on the listeners it was left. False: it did not get there. */
  async #succeed(
    config: FunctionConfig,
    image: Image | null,
    inherited: readonly TakenListener[],
    cause: string,
  ): Promise<boolean> {
    const given = new Set<TakenListener>();
    const beginning = this.#add(config).map((runtime, index) => {
      // Each takes those of its own network.
      const own = inherited.filter((each) => !given.has(each) && runtime.inherits(each.fd));
      for (const listener of own) given.add(listener);
      return { runtime, own, image: index === 0 ? image : null };
    });
    for (const listener of inherited) if (!given.has(listener)) listener.fd.close();
    const begun = await Promise.all(
      beginning.map(async (each) => await each.runtime.begin(each.image, each.own, cause)),
    );
    return begun.length > 0 && begun.every(Boolean);
  }

  /**
   * Starts a function anew from its declaration, as a reload replaces one: what has something to prove does so first, beside
   * the version that serves. Memory and snapshot of the former one are given up; clients that come meanwhile wait.
   * @throws AetherError of what kept it from its first state
   */
  async #restart(former: readonly FunctionRuntime[]): Promise<FunctionView> {
    const [first] = former;
    if (first === undefined)
      throw new AetherError("AE_INTERNAL", "a function without instances was restarted");
    const { id, config } = first;
    const proven = await this.#proveAll([config]);
    // A stop or another order may have ended it during the proof.
    if (this.#runtime(id) !== first || this.#closing) throw unknownFunction(id);
    const inherited = await this.#end(id);
    const image = proven.get(id) ?? null;
    const up = !this.#closing && (await this.#succeed(config, image, inherited, "restart"));
    const view = this.view(id) ?? missing(id);
    if (!up && view.lastError !== null) throw AetherError.from(view.lastError);
    return view;
  }

  /** Images of the new versions that have proved themselves. All or none: those of the others are given up. */
  async #proveAll(replaced: readonly FunctionConfig[]): Promise<ReadonlyMap<string, Image>> {
    const gate = new Gate(this.#parts.parallelStarts);
    const images = new Map<string, Image>();
    const failures: AetherError[] = [];
    await Promise.all(
      replaced.map(async (config) => {
        try {
          const image = await gate.run(() => this.#parts.rehearse(config));
          if (image !== null) images.set(config.id, image);
        } catch (error) {
          const failure = toAetherError(error, `${config.id}: its new version could not be tried`);
          failures.push(failure);
          for (const runtime of this.#replicas(config.id)) runtime.keepInPlace(failure);
        }
      }),
    );
    const [first] = failures;
    if (first === undefined) return images;
    for (const { directory } of images.values()) this.#parts.discard(directory);
    throw first;
  }

  /** A function that cannot even be made is reported, and is not there. Returns its instances. */
  #add(config: FunctionConfig): readonly FunctionRuntime[] {
    const made = new Map<string, FunctionRuntime>();
    try {
      this.#parts.declare(config);
      for (const id of replicaIds(config)) made.set(id, this.#parts.make({ ...config, id }));
      this.#parts.made(config);
      this.#functions.set(config.id, made);
      this.#parts.changed(config.id);
      return [...made.values()];
    } catch (error) {
      this.#report(config.id, error);
      for (const id of replicaIds(config)) this.#parts.unmake(id);
      this.#parts.removed(config.id);
      return [];
    }
  }

  #replicas(id: string): readonly FunctionRuntime[] {
    return [...(this.#functions.get(id)?.values() ?? [])];
  }

  #all(): readonly FunctionRuntime[] {
    return this.ids.flatMap((id) => this.#replicas(id));
  }

  #runtime(replicaId: string): FunctionRuntime | null {
    return this.#functions.get(functionOf(replicaId))?.get(replicaId) ?? null;
  }

  #report(functionId: string, error: unknown): void {
    this.#parts.emit({ type: "error", functionId, error: toAetherError(error).toJSON() });
  }

  async #end(id: string): Promise<readonly TakenListener[]> {
    const listeners = await Promise.all(
      this.#replicas(id).map(async (runtime) => {
        let left: readonly TakenListener[] = [];
        try {
          left = await runtime.end(true);
        } catch (error) {
          this.#report(id, error);
        }
        if (runtime.image !== null) this.#parts.discard(runtime.image.directory);
        this.#parts.unmake(runtime.id);
        return left;
      }),
    );
    if (!this.#functions.delete(id)) return [];
    this.#parts.removed(id);
    this.#parts.changed(id);
    return listeners.flat();
  }

  /** Functions with a process that nobody uses just now. */
  idleFunctions(): readonly IdleFunction[] {
    return this.#all().flatMap((runtime) => runtime.idleMemory ?? []);
  }

  /** Makes a snapshot of an idle function. False: it stays as it is. */
  async demote(id: string): Promise<boolean> {
    try {
      return (await this.#runtime(id)?.demote()) ?? false;
    } catch (error) {
      this.#report(id, error);
      return false;
    }
  }

  /** Gives a function an event. Rejects with a typed error. */
  async invoke(functionId: string, event: Event): Promise<Delivered> {
    const replicas = this.#find(functionId);
    this.#turn += 1;
    // Who is awake answers at once; among several, one after the other.
    const awake = replicas.filter((runtime) => runtime.view().state === "Running");
    const among = awake.length > 0 ? awake : replicas;
    const chosen = among[this.#turn % among.length];
    if (chosen === undefined) throw new AetherError("AE_INTERNAL", `${functionId} has no instances`);
    return await chosen.invoke(event);
  }

  /** Carries out an order of a person. Rejects with a typed error. */
  async action(functionId: string, action: FunctionAction): Promise<FunctionView> {
    const replicas = this.#find(functionId);
    if (action === "restart") return await this.#restart(replicas);
    const results = await Promise.allSettled(replicas.map((runtime) => runtime.action(action)));
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [toAetherError(result.reason)] : [],
    );
    // Of several instances some may be where they are sent already; one that failed is told.
    const told = failures.find(
      ({ code }) => code !== "AE_INVALID_STATE_TRANSITION" || failures.length === results.length,
    );
    if (told !== undefined) throw told;
    return this.view(functionId) ?? missing(functionId);
  }

  #find(functionId: string): readonly FunctionRuntime[] {
    const found = this.#replicas(functionId);
    return found.length === 0 ? missing(functionId) : found;
  }

  /** Ends all of them. Returns the images that are there, for whoever decides on their fate. */
  async stop(): Promise<Image[]> {
    this.#closing = true;
    const images: Image[] = [];
    await Promise.all(
      this.#all().map(async (runtime) => {
        try {
          for (const { fd } of await runtime.end()) fd.close();
        } catch (error) {
          this.#report(functionOf(runtime.id), error);
        }
        if (runtime.image !== null) images.push(runtime.image);
      }),
    );
    return images;
  }
}

function missing(functionId: string): never {
  throw unknownFunction(functionId);
}

function unknownFunction(functionId: string): AetherError {
  return new AetherError("AE_UNKNOWN_FUNCTION", `there is no function ${functionId}`, {
    hint: "`aether ps` lists them.",
    data: { function: functionId },
  });
}

function mergeConnections(id: string, counts: readonly ConnectionCount[]): ConnectionCount {
  const times = counts.flatMap(({ lastChangeMs }) => lastChangeMs ?? []);
  return {
    id,
    opened: counts.reduce((sum, { opened }) => sum + opened, 0),
    open: counts.reduce((sum, { open }) => sum + open, 0),
    lastChangeMs: times.length === 0 ? null : Math.max(...times),
  };
}
