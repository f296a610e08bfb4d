/** The functions of an engine: brought up together, changed one by one, ended together. */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { ConnectionCount, FunctionView } from "../../protocol/views.ts";
import type { TakenListener } from "../lifecycle/driver.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import type { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { Image } from "../snapshot/image.ts";
import type { IdleFunction } from "../wake/memory-budget.ts";
import { Gate } from "../wake/gate.ts";

export interface FunctionTableParts {
  /** Makes a function with all it needs; nothing of it runs yet. Throws AetherError. */
  make(config: FunctionConfig): FunctionRuntime;
  /**
   * Starts a new version of a function away from its clients, and lets it prove itself.
   * @returns the image it begins with; `null` where there is nothing to prove
   */
  rehearse(config: FunctionConfig): Promise<Image | null>;
  /** Gives up what `make` took from the machine. */
  unmake(id: string): void;
  emit(event: EventBody): void;
  changed(id: string): void;
  discard(path: string): void;
  /** Starts at once. */
  readonly parallelStarts: number;
}

export class FunctionTable {
  readonly #parts: FunctionTableParts;
  readonly #functions = new Map<string, FunctionRuntime>();
  #closing = false;

  constructor(parts: FunctionTableParts) {
    this.#parts = parts;
  }

  get ids(): readonly string[] {
    return [...this.#functions.keys()];
  }

  /** `null` for one that is not there (any more). */
  view(id: string): FunctionView | null {
    return this.#functions.get(id)?.view() ?? null;
  }

  /** @param toWallMs what makes a wall clock time of a monotonic one */
  connections(toWallMs: number): readonly ConnectionCount[] {
    return [...this.#functions.values()].map((runtime) => runtime.connections(toWallMs));
  }

  /** Brings all functions to their first states. One that fails is reported, and holds up no other. */
  async begin(functions: readonly FunctionConfig[], adopted: Readonly<Record<string, Image>>): Promise<void> {
    const made = functions.map((config) => this.#add(config));
    const gate = new Gate(this.#parts.parallelStarts);
    let done = 0;
    await Promise.all(
      made.map((runtime) =>
        gate.run(async () => {
          // A reload may have replaced it while it waited for its turn.
          if (runtime !== null && this.#functions.get(runtime.id) === runtime) {
            const image = adopted[runtime.id] ?? null;
            await runtime.begin(image, [], image === null ? "start" : "adopted");
          }
          done += 1;
          this.#parts.emit({ type: "progress", ready: done, total: functions.length });
        }),
      ),
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
    for (const config of change.updated) this.#functions.get(config.id)?.update(config);
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
    const runtime = this.#add(config);
    if (runtime !== null) return await runtime.begin(image, inherited, cause);
    for (const { fd } of inherited) fd.close();
    return false;
  }

  /**
   * Starts a function anew from its declaration, as a reload replaces one: what has something to prove does so first, beside
   * the version that serves. Memory and snapshot of the former one are given up; clients that come meanwhile wait.
   * @throws AetherError of what kept it from its first state
   */
  async #restart(former: FunctionRuntime): Promise<FunctionView> {
    const { id, config } = former;
    const proven = await this.#proveAll([config]);
    // A stop or another order may have ended it during the proof.
    if (this.#functions.get(id) !== former || this.#closing) throw unknownFunction(id);
    const inherited = await this.#end(id);
    const image = proven.get(id) ?? null;
    const up = !this.#closing && (await this.#succeed(config, image, inherited, "restart"));
    const view = this.#functions.get(id)?.view();
    if (view === undefined) throw unknownFunction(id);
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
          this.#functions.get(config.id)?.keepInPlace(failure);
        }
      }),
    );
    const [first] = failures;
    if (first === undefined) return images;
    for (const { directory } of images.values()) this.#parts.discard(directory);
    throw first;
  }

  /** A function that cannot even be made is reported, and is not there. */
  #add(config: FunctionConfig): FunctionRuntime | null {
    try {
      const runtime = this.#parts.make(config);
      this.#functions.set(config.id, runtime);
      this.#parts.changed(config.id);
      return runtime;
    } catch (error) {
      this.#report(config.id, error);
      return null;
    }
  }

  #report(functionId: string, error: unknown): void {
    this.#parts.emit({ type: "error", functionId, error: toAetherError(error).toJSON() });
  }

  async #end(id: string): Promise<readonly TakenListener[]> {
    const runtime = this.#functions.get(id);
    if (runtime === undefined) return [];
    let listeners: readonly TakenListener[] = [];
    try {
      listeners = await runtime.end(true);
    } catch (error) {
      this.#report(id, error);
    }
    if (runtime.image !== null) this.#parts.discard(runtime.image.directory);
    this.#functions.delete(id);
    this.#parts.unmake(id);
    this.#parts.changed(id);
    return listeners;
  }

  /** Functions with a process that nobody uses just now. */
  idleFunctions(): readonly IdleFunction[] {
    return [...this.#functions.values()].flatMap((runtime) => runtime.idleMemory ?? []);
  }

  /** Makes a snapshot of an idle function. False: it stays as it is. */
  async demote(id: string): Promise<boolean> {
    try {
      return (await this.#functions.get(id)?.demote()) ?? false;
    } catch (error) {
      this.#report(id, error);
      return false;
    }
  }

  /** Gives a function an event. Rejects with a typed error. */
  async invoke(functionId: string, event: Event): Promise<Delivered> {
    return await this.#find(functionId).invoke(event);
  }

  /** Carries out an order of a person. Rejects with a typed error. */
  async action(functionId: string, action: FunctionAction): Promise<FunctionView> {
    const runtime = this.#find(functionId);
    if (action === "restart") return await this.#restart(runtime);
    await runtime.action(action);
    return runtime.view();
  }

  #find(functionId: string): FunctionRuntime {
    const runtime = this.#functions.get(functionId);
    if (runtime === undefined) throw unknownFunction(functionId);
    return runtime;
  }

  /** Ends all of them. Returns the images that are there, for whoever decides on their fate. */
  async stop(): Promise<Image[]> {
    this.#closing = true;
    const images: Image[] = [];
    await Promise.all(
      [...this.#functions.values()].map(async (runtime) => {
        try {
          for (const { fd } of await runtime.end()) fd.close();
        } catch (error) {
          this.#report(runtime.id, error);
        }
        if (runtime.image !== null) images.push(runtime.image);
      }),
    );
    return images;
  }
}

function unknownFunction(functionId: string): AetherError {
  return new AetherError("AE_UNKNOWN_FUNCTION", `there is no function ${functionId}`, {
    hint: "`aether ps` lists them.",
    data: { function: functionId },
  });
}
