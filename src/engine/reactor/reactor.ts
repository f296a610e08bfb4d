/**
 * The reactor: one thread that owns every instance, its state and its queue of operations, so that a wake runs from
 * connection to hand-over without crossing a thread.
 */
import { mkdirSync } from "node:fs";
import { Epoll } from "../../ffi/epoll.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { ChangePublisher } from "../change-publisher.ts";
import { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { TakenListener } from "../lifecycle/driver.ts";
import type { FunctionSurroundings } from "../lifecycle/function-core.ts";
import { EngineCgroups } from "../sandbox/cgroups.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { Launcher } from "../sandbox/launcher.ts";
import { SandboxDriver } from "../sandbox/sandbox-driver.ts";
import { checkCriu } from "../snapshot/check-criu.ts";
import type { Image } from "../snapshot/image.ts";
import { Gate } from "../wake/gate.ts";
import { FrozenConnections } from "../wake/frozen-connections.ts";
import { HeldListeners } from "../wake/held-listeners.ts";
import { IdleMonitor } from "../wake/idle-monitor.ts";
import { PortPrograms } from "../wake/port-programs.ts";
import { warmUp } from "../wake/warm-up.ts";
import { OutputTail } from "./output-tail.ts";
import type { ReactorApply, ReactorReport, ReactorStart } from "./reactor-messages.ts";

/** Views cross to the engine's thread at most so often. */
const viewIntervalMs = 100;

interface Entry {
  readonly runtime: FunctionRuntime;
  readonly output: OutputTail;
}

export class Reactor {
  readonly #start: ReactorStart;
  readonly #report: (report: ReactorReport) => void;
  readonly #epoll: Epoll;
  readonly #cgroups: EngineCgroups;
  readonly #ports: PortPrograms;
  readonly #restores: Gate;
  readonly #proofs = new Gate(1);
  readonly #publisher: ChangePublisher<string>;
  readonly #functions = new Map<string, Entry>();
  readonly #context: SandboxContext;
  #launcher: Launcher;
  #closing = false;

  private constructor(
    start: ReactorStart,
    report: (report: ReactorReport) => void,
    parts: { epoll: Epoll; cgroups: EngineCgroups; ports: PortPrograms; launcher: Launcher },
  ) {
    this.#start = start;
    this.#report = report;
    this.#epoll = parts.epoll;
    this.#cgroups = parts.cgroups;
    this.#ports = parts.ports;
    this.#launcher = parts.launcher;
    this.#restores = new Gate(start.engine.maxParallelRestores);
    this.#publisher = new ChangePublisher(viewIntervalMs, (changed) => this.#publish(changed));
    this.#context = {
      epoll: this.#epoll,
      launcher: () => this.#launcher,
      criu: start.criu,
      engineVersion: start.engineVersion,
      runtimeDir: start.runtimeDir,
      snapshotRoot: start.snapshotRoot,
      tmpRoot: start.tmpRoot,
      now: () => Date.now(),
      monotonic: () => performance.now(),
      output: (functionId, stream, chunk) => {
        this.#functions.get(functionId)?.output.add(chunk);
        report({ type: "output", functionId, stream, chunk });
      },
      discard: (path) => report({ type: "discard", path }),
    };
  }

  /** Launcher, cgroups and kernel programs, and CRIU at work once: whatever is missing is found before a function starts. */
  static async create(start: ReactorStart, report: (report: ReactorReport) => void): Promise<Reactor> {
    const emit = (event: EventBody): void => report({ type: "event", event });
    const epoll = new Epoll((error) => emit({ type: "error", functionId: null, error: toAetherError(error).toJSON() }));
    for (const path of [start.snapshotRoot, start.tmpRoot]) mkdirSync(path, { recursive: true, mode: 0o700 });
    const cleanup = new AsyncDisposableStack();
    cleanup.use(epoll);
    try {
      const cgroups = cleanup.adopt(EngineCgroups.create(start.cgroupName), (made) => void made.remove());
      const ports = cleanup.use(PortPrograms.load(start.bpfDirectory, cgroups.root));
      const parts: { current: Reactor | null } = { current: null };
      const lost = (error: AetherError): void => parts.current?.launcherLost(error);
      const launcher = cleanup.use(await Launcher.start(epoll, start.programsDirectory, true, lost));
      const reactor = new Reactor(start, report, { epoll, cgroups, ports, launcher });
      parts.current = reactor;
      await reactor.#tellUndo();
      await checkCriu(reactor.#context);
      cleanup.move();
      return reactor;
    } catch (error) {
      await cleanup.disposeAsync();
      throw error;
    }
  }

  async #tellUndo(): Promise<void> {
    const { runtimeDir } = this.#start;
    await this.#launcher.setUndo({ cgroups: this.#cgroups.paths, files: [`${runtimeDir}/control.sock`], sysctls: [] });
  }

  /** Every sandbox is gone with its launcher; functions wake from their images again once there is a new one. */
  launcherLost(error: AetherError): void {
    if (this.#closing) return;
    this.#emit({ type: "error", functionId: null, error: error.toJSON() });
    void this.#replaceLauncher();
  }

  async #replaceLauncher(): Promise<void> {
    try {
      const { programsDirectory } = this.#start;
      this.#launcher = await Launcher.start(this.#epoll, programsDirectory, true, (next) => this.launcherLost(next));
      await this.#tellUndo();
    } catch (error) {
      this.#report({ type: "failed", error: toAetherError(error).toJSON() });
    }
  }

  #emit(event: EventBody): void {
    this.#report({ type: "event", event });
  }

  #publish(changed: ReadonlySet<string>): void {
    const views: FunctionView[] = [];
    for (const id of changed) {
      const entry = this.#functions.get(id);
      if (entry !== undefined) views.push(entry.runtime.view());
    }
    this.#report({ type: "views", changed: views, order: [...this.#functions.keys()] });
  }

  #surroundings(): FunctionSurroundings {
    return {
      now: () => this.#context.now(),
      monotonic: () => this.#context.monotonic(),
      emit: (event) => this.#emit(event),
      changed: (id) => this.#publisher.mark(id),
      discard: (path) => this.#context.discard(path),
      seal: (image) => this.#report({ type: "seal", image }),
      restores: this.#restores,
      proofs: this.#proofs,
      warmUp: (config) => warmUp(this.#epoll, config),
    };
  }

  #make(config: FunctionConfig): Entry {
    const output = new OutputTail();
    const cgroup = this.#cgroups.createFunction(config.id, { memoryLimitBytes: config.memoryLimitBytes });
    const driver = new SandboxDriver(this.#context, { config, cgroup, lastOutput: () => output.lines() });
    const held = new HeldListeners(this.#epoll, this.#ports);
    const idle = new IdleMonitor(this.#ports);
    const connections = new FrozenConnections(this.#epoll);
    return { runtime: new FunctionRuntime(config, { driver, held, idle, connections }, this.#surroundings()), output };
  }

  /** Brings all functions to their first states, as many at once as restores may run. */
  async begin(): Promise<void> {
    const { functions, adopted } = this.#start;
    for (const config of functions) this.#functions.set(config.id, this.#make(config));
    for (const config of functions) this.#publisher.mark(config.id);
    let done = 0;
    const gate = new Gate(this.#start.engine.maxParallelRestores);
    await Promise.all(
      functions.map((config) =>
        gate.run(async () => {
          await this.#functions.get(config.id)?.runtime.begin(adopted[config.id] ?? null, [], "start");
          done += 1;
          this.#emit({ type: "progress", ready: done, total: functions.length });
        }),
      ),
    );
  }

  /**
   * Applies a new configuration. Whatever must give way ends first; the listeners it leaves, clients queued on them
   * included, go to whichever function has the port now.
   */
  async apply(order: ReactorApply): Promise<void> {
    for (const config of order.updated) this.#functions.get(config.id)?.runtime.update(config);
    const ending = [...order.removed, ...order.replaced.map(({ id }) => id)];
    const freed = (await Promise.all(ending.map((id) => this.#end(id)))).flat();
    const beginning = [...order.replaced, ...order.added];
    const ports = new Set(beginning.map(({ triggerPort }) => triggerPort));
    for (const { port, fd } of freed) if (!ports.has(port)) fd.close();
    await Promise.all(
      beginning.map((config) => this.#beginOne(config, freed.filter(({ port }) => port === config.triggerPort))),
    );
  }

  async #beginOne(config: FunctionConfig, inherited: readonly TakenListener[]): Promise<void> {
    const entry = this.#make(config);
    this.#functions.set(config.id, entry);
    this.#publisher.mark(config.id);
    await entry.runtime.begin(null, inherited, "reload");
  }

  async #end(id: string): Promise<readonly TakenListener[]> {
    const entry = this.#functions.get(id);
    if (entry === undefined) return [];
    const listeners = await entry.runtime.end(true);
    const { image } = entry.runtime;
    if (image !== null) this.#context.discard(image.directory);
    this.#functions.delete(id);
    this.#cgroups.removeFunction(id);
    this.#publisher.mark(id);
    return listeners;
  }

  /** Carries out an order on one function. Rejects with a typed error. */
  async action(functionId: string, action: FunctionAction): Promise<FunctionView> {
    const entry = this.#functions.get(functionId);
    if (entry === undefined) {
      throw new AetherError("AE_UNKNOWN_FUNCTION", `there is no function ${functionId}`, {
        hint: "`aether ps` lists them.",
        data: { function: functionId },
      });
    }
    await entry.runtime.action(action);
    return entry.runtime.view();
  }

  /** Ends everything in order. Returns the images that are there, for whoever decides on their fate. */
  async stop(): Promise<Image[]> {
    this.#closing = true;
    const images: Image[] = [];
    await Promise.all(
      [...this.#functions.values()].map(async ({ runtime }) => {
        try {
          for (const { fd } of await runtime.end(true)) fd.close();
        } catch (error) {
          this.#emit({ type: "error", functionId: runtime.id, error: toAetherError(error).toJSON() });
        }
        if (runtime.image !== null) images.push(runtime.image);
      }),
    );
    this.#publisher[Symbol.dispose]();
    await this.#launcher[Symbol.asyncDispose]();
    this.#ports[Symbol.dispose]();
    this.#cgroups.remove();
    this.#epoll[Symbol.dispose]();
    return images;
  }
}
