/** The functions of an engine: brought up together, changed one by one, ended together. */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { FunctionView } from "../../protocol/views.ts";
import type { TakenListener } from "../lifecycle/driver.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import type { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { Image } from "../snapshot/image.ts";
import { Gate } from "../wake/gate.ts";

export interface FunctionTableParts {
  /** Makes a function with all it needs; nothing of it runs yet. Throws AetherError. */
  make(config: FunctionConfig): FunctionRuntime;
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
            await runtime.begin(adopted[runtime.id] ?? null, [], "start");
          }
          done += 1;
          this.#parts.emit({ type: "progress", ready: done, total: functions.length });
        }),
      ),
    );
  }

  /**
   * Applies a difference. Whatever must give way ends first; the listeners it leaves, clients queued on them included,
   * go to whichever function has the port now.
   */
  async apply(change: {
    readonly added: readonly FunctionConfig[];
    readonly replaced: readonly FunctionConfig[];
    readonly updated: readonly FunctionConfig[];
    readonly removed: readonly string[];
  }): Promise<void> {
    for (const config of change.updated) this.#functions.get(config.id)?.update(config);
    const ending = [...change.removed, ...change.replaced.map(({ id }) => id)];
    const freed = (await Promise.all(ending.map((id) => this.#end(id)))).flat();
    const beginning = this.#closing ? [] : [...change.replaced, ...change.added];
    const ports = new Set(beginning.map(({ triggerPort }) => triggerPort));
    for (const { port, fd } of freed) if (!ports.has(port)) fd.close();
    await Promise.all(
      beginning.map(async (config) => {
        const inherited = freed.filter(({ port }) => port === config.triggerPort);
        const runtime = this.#add(config);
        if (runtime === null) for (const { fd } of inherited) fd.close();
        else await runtime.begin(null, inherited, "reload");
      }),
    );
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
      listeners = await runtime.end();
    } catch (error) {
      this.#report(id, error);
    }
    if (runtime.image !== null) this.#parts.discard(runtime.image.directory);
    this.#functions.delete(id);
    this.#parts.unmake(id);
    this.#parts.changed(id);
    return listeners;
  }

  /** Gives a function an event. Rejects with a typed error. */
  async invoke(functionId: string, event: Event): Promise<Delivered> {
    return await this.#find(functionId).invoke(event);
  }

  /** Carries out an order of a person. Rejects with a typed error. */
  async action(functionId: string, action: FunctionAction): Promise<FunctionView> {
    const runtime = this.#find(functionId);
    await runtime.action(action);
    return runtime.view();
  }

  #find(functionId: string): FunctionRuntime {
    const runtime = this.#functions.get(functionId);
    if (runtime === undefined) {
      throw new AetherError("AE_UNKNOWN_FUNCTION", `there is no function ${functionId}`, {
        hint: "`aether ps` lists them.",
        data: { function: functionId },
      });
    }
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
