/**
 * The reactor: one thread that owns every instance, its state and its queue of operations, so that a wake runs from
 * connection to hand-over without crossing a thread.
 */
import { mkdirSync } from "node:fs";
import { totalmem } from "node:os";
import { Epoll } from "../../ffi/epoll.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { toAetherError } from "../../protocol/errors.ts";
import type { AetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { ChangePublisher } from "../change-publisher.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { FunctionSurroundings } from "../lifecycle/function-core.ts";
import { EngineCgroups } from "../sandbox/cgroups.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { Launcher } from "../sandbox/launcher.ts";
import { SandboxDriver } from "../sandbox/sandbox-driver.ts";
import { checkCriu } from "../snapshot/check-criu.ts";
import type { Image } from "../snapshot/image.ts";
import { ImageThread } from "../snapshot/image-thread.ts";
import { Gate } from "../wake/gate.ts";
import { monotonicMs } from "../monotonic.ts";
import { FrozenConnections } from "../wake/frozen-connections.ts";
import { HeldListeners } from "../wake/held-listeners.ts";
import { IdleMonitor } from "../wake/idle-monitor.ts";
import { PortPrograms } from "../wake/port-programs.ts";
import { warmUp } from "../wake/warm-up.ts";
import { poolCapacity, WarmPool } from "../wake/warm-pool.ts";
import { FunctionTable } from "./function-table.ts";
import { OutputFlow } from "./output-flow.ts";
import { OutputTail } from "./output-tail.ts";
import type { ReactorApply, ReactorReport, ReactorStart } from "./reactor-messages.ts";

/** Views cross to the engine's thread at most so often. */
const viewIntervalMs = 100;

interface FunctionOutput {
  readonly tail: OutputTail;
  readonly flow: OutputFlow;
}

export class Reactor {
  readonly #start: ReactorStart;
  readonly #report: (report: ReactorReport) => void;
  readonly #epoll: Epoll;
  readonly #cgroups: EngineCgroups;
  readonly #ports: PortPrograms;
  readonly #restores: Gate;
  readonly #proofs = new Gate(1);
  readonly #pool: WarmPool;
  readonly #publisher: ChangePublisher<string>;
  readonly #output = new Map<string, FunctionOutput>();
  readonly #table: FunctionTable;
  readonly #context: SandboxContext;
  readonly #images: ImageThread;
  #launcher: Promise<Launcher>;
  #closing = false;

  private constructor(
    start: ReactorStart,
    report: (report: ReactorReport) => void,
    parts: {
      epoll: Epoll;
      cgroups: EngineCgroups;
      ports: PortPrograms;
      images: ImageThread;
      launcher: Launcher;
    },
  ) {
    this.#start = start;
    this.#report = report;
    this.#epoll = parts.epoll;
    this.#cgroups = parts.cgroups;
    this.#ports = parts.ports;
    this.#images = parts.images;
    this.#launcher = Promise.resolve(parts.launcher);
    this.#pool = new WarmPool(start.engine.warmPool ?? poolCapacity(totalmem()));
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
      monotonic: monotonicMs,
      output: (functionId, stream, chunk) => {
        const output = this.#output.get(functionId);
        output?.tail.add(chunk);
        output?.flow.sent(chunk.length);
        report({ type: "output", functionId, stream, chunk });
      },
      outputRoom: (functionId) => this.#output.get(functionId)?.flow.room ?? null,
      finishImage: (request) => this.#images.finish(request),
      ringFailed: (functionId, error) =>
        report({ type: "event", event: { type: "error", functionId, error: error.toJSON() } }),
      discard: (path) => report({ type: "discard", path }),
    };
    this.#table = new FunctionTable({
      make: (config) => this.#make(config),
      unmake: (id) => {
        this.#output.delete(id);
        this.#cgroups.removeFunction(id);
      },
      emit: (event) => this.#emit(event),
      changed: (id) => this.#publisher.mark(id),
      discard: (path) => this.#context.discard(path),
      parallelStarts: start.engine.maxParallelRestores,
    });
  }

  /** Launcher, cgroups and kernel programs, and CRIU at work once: whatever is missing is found before a function starts. */
  static async create(start: ReactorStart, report: (report: ReactorReport) => void): Promise<Reactor> {
    const emit = (event: EventBody): void => report({ type: "event", event });
    const epoll = new Epoll((error) =>
      emit({ type: "error", functionId: null, error: toAetherError(error).toJSON() }),
    );
    const cleanup = new AsyncDisposableStack();
    cleanup.use(epoll);
    try {
      for (const path of [start.snapshotRoot, start.tmpRoot])
        mkdirSync(path, { recursive: true, mode: 0o700 });
      const cgroups = cleanup.adopt(EngineCgroups.create(start.cgroupName), (made) => void made.remove());
      const ports = cleanup.use(PortPrograms.load(start.bpfDirectory, cgroups.root));
      const parts: { current: Reactor | null } = { current: null };
      const lost = (error: AetherError): void => parts.current?.launcherLost(error);
      const launcher = cleanup.use(await Launcher.start(epoll, start.programsDirectory, true, lost));
      const images = cleanup.use(new ImageThread());
      const reactor = new Reactor(start, report, { epoll, cgroups, ports, images, launcher });
      parts.current = reactor;
      await reactor.#tellUndo(launcher);
      await checkCriu(reactor.#context);
      cleanup.move();
      return reactor;
    } catch (error) {
      await cleanup.disposeAsync();
      throw error;
    }
  }

  async #tellUndo(launcher: Launcher): Promise<void> {
    const { runtimeDir } = this.#start;
    await launcher.setUndo({
      cgroups: this.#cgroups.paths,
      files: [`${runtimeDir}/control.sock`],
      sysctls: [],
    });
  }

  /** Every sandbox is gone with its launcher; functions wake from their images again once there is a new one. */
  launcherLost(error: AetherError): void {
    if (this.#closing) return;
    this.#emit({ type: "error", functionId: null, error: error.toJSON() });
    // Whoever needs a sandbox meanwhile waits for the next launcher.
    this.#launcher = this.#startLauncher();
    void this.#replaced(this.#launcher);
  }

  /** Without a launcher the engine cannot go on. */
  async #replaced(launcher: Promise<Launcher>): Promise<void> {
    try {
      await launcher;
    } catch (error) {
      this.#report({ type: "failed", error: toAetherError(error).toJSON() });
    }
  }

  async #startLauncher(): Promise<Launcher> {
    const { programsDirectory } = this.#start;
    const launcher = await Launcher.start(this.#epoll, programsDirectory, true, (next) =>
      this.launcherLost(next),
    );
    await this.#tellUndo(launcher);
    return launcher;
  }

  #emit(event: EventBody): void {
    this.#report({ type: "event", event });
  }

  #publish(changed: ReadonlySet<string>): void {
    const views = [...changed].flatMap((id) => this.#table.view(id) ?? []);
    this.#report({ type: "views", changed: views, order: this.#table.ids });
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
      pool: this.#pool,
      warmUp: (config, listens) => warmUp(this.#epoll, config, listens),
    };
  }

  #make(config: FunctionConfig): FunctionRuntime {
    const output: FunctionOutput = { tail: new OutputTail(), flow: new OutputFlow() };
    this.#output.set(config.id, output);
    const cgroup = this.#cgroups.createFunction(config.id, { memoryLimitBytes: config.memoryLimitBytes });
    const driver = new SandboxDriver(this.#context, {
      config,
      cgroup,
      lastOutput: () => output.tail.lines(),
    });
    const held = new HeldListeners(this.#epoll, this.#ports);
    const idle = new IdleMonitor(this.#ports);
    const connections = new FrozenConnections(this.#epoll);
    return new FunctionRuntime(config, { driver, held, idle, connections }, this.#surroundings());
  }

  /** Brings all functions to their first states. */
  async begin(): Promise<void> {
    await this.#table.begin(this.#start.functions, this.#start.adopted);
  }

  /** Applies a new configuration. */
  async apply(order: ReactorApply): Promise<void> {
    this.#restores.resize(order.engine.maxParallelRestores);
    await this.#table.apply(order);
  }

  /** Carries out an order on one function. Rejects with a typed error. */
  action(functionId: string, action: FunctionAction): Promise<FunctionView> {
    return this.#table.action(functionId, action);
  }

  /** Gives a function an event. Rejects with a typed error. */
  invoke(functionId: string, event: Event): Promise<Delivered> {
    return this.#table.invoke(functionId, event);
  }

  /** The engine has taken in so much of a function's output. */
  outputTaken(functionId: string, bytes: number): void {
    this.#output.get(functionId)?.flow.acknowledged(bytes);
  }

  /** Ends everything in order. Returns the images that are there. */
  async stop(): Promise<Image[]> {
    this.#closing = true;
    const images = await this.#table.stop();
    this.#publisher[Symbol.dispose]();
    const launcher = await this.#launcher;
    await launcher[Symbol.asyncDispose]();
    await this.#images[Symbol.asyncDispose]();
    this.#ports[Symbol.dispose]();
    this.#cgroups.remove();
    this.#epoll[Symbol.dispose]();
    return images;
  }
}
