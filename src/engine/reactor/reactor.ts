/**
 * The reactor: one thread that owns every instance, its state and its queue of operations, so that a wake runs from
 * connection to hand-over without crossing a thread.
 */
import { mkdirSync, rmdirSync } from "node:fs";
import { totalmem } from "node:os";
import { Epoll } from "../../ffi/epoll.ts";
import { inetSocket } from "../../ffi/socket.ts";
import type { DataPlaneConfig, EngineConfig, FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { ConnectionCounts, FunctionView } from "../../protocol/views.ts";
import { ChangePublisher } from "../change-publisher.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { FunctionSurroundings } from "../lifecycle/function-core.ts";
import { functionOf, replicaIds } from "../lifecycle/replicas.ts";
import { DataPlane } from "../dataplane/data-plane.ts";
import { FunctionPorts } from "../dataplane/function-ports.ts";
import type { InstanceNetwork } from "../network/instance-network.ts";
import { PrivateInstances } from "../network/private-instances.ts";
import { EngineCgroups } from "../sandbox/cgroups.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { Launcher } from "../sandbox/launcher.ts";
import { trafficOf } from "../dataplane/traffic.ts";
import { SandboxDriver } from "../sandbox/sandbox-driver.ts";
import { checkCriu } from "../snapshot/check-criu.ts";
import type { Image } from "../snapshot/image.ts";
import { ImageThread } from "../snapshot/image-thread.ts";
import { Gate } from "../wake/gate.ts";
import { monotonicMs } from "../monotonic.ts";
import { FrozenConnections } from "../wake/frozen-connections.ts";
import { HeldListeners } from "../wake/held-listeners.ts";
import { IdleMonitor } from "../wake/idle-monitor.ts";
import { MemoryBudget } from "../wake/memory-budget.ts";
import { PortPrograms } from "../wake/port-programs.ts";
import { warmUp } from "../wake/warm-up.ts";
import { poolCapacity, WarmPool } from "../wake/warm-pool.ts";
import { StatsRecorder } from "../stats/recorder.ts";
import { draftOf, StatsRegion } from "../stats/stats-region.ts";
import { FunctionTable } from "./function-table.ts";
import { OutputFlow } from "./output-flow.ts";
import { OutputTail } from "./output-tail.ts";
import { mustProve, rehearse } from "./rehearse.ts";
import type { ReactorApply, ReactorReport, ReactorStart } from "./reactor-messages.ts";

/** Views cross to the engine's thread at most so often. */
const viewIntervalMs = 100;

interface FunctionOutput {
  readonly tail: OutputTail;
  readonly flow: OutputFlow;
}

/** A start that fails leaves no folder behind; one with images of an earlier engine stays. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty.
  }
}

/** The data plane as it was declared. @throws AetherError of the family EbpfError, where it is required */
function attachDataPlane(
  { engine, bpfDirectory }: ReactorStart,
  epoll: Epoll,
  emit: (event: EventBody) => void,
): DataPlane | null {
  const config = engine.dataPlane;
  if (config === null) return null;
  try {
    return new DataPlane({ config, bpfDirectory, epoll });
  } catch (error) {
    if (config.required) throw error;
    emit({ type: "error", functionId: null, error: toAetherError(error).toJSON() });
    return null;
  }
}

export class Reactor {
  readonly #start: ReactorStart;
  readonly #report: (report: ReactorReport) => void;
  readonly #epoll: Epoll;
  readonly #cgroups: EngineCgroups;
  readonly #ports: PortPrograms;
  readonly #plane: DataPlane | null;
  readonly #functionPorts: FunctionPorts | null;
  readonly #privates: PrivateInstances;
  readonly #restores: Gate;
  readonly #proofs = new Gate(1);
  readonly #ahead = new Gate(1);
  readonly #pool: WarmPool;
  readonly #publisher: ChangePublisher<string>;
  readonly #output = new Map<string, FunctionOutput>();
  readonly #table: FunctionTable;
  readonly #budget: MemoryBudget;
  readonly #stats: StatsRecorder;
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
      plane: DataPlane | null;
      launcher: Launcher;
      region: StatsRegion;
    },
  ) {
    this.#start = start;
    this.#report = report;
    this.#epoll = parts.epoll;
    this.#cgroups = parts.cgroups;
    this.#ports = parts.ports;
    this.#images = parts.images;
    this.#plane = parts.plane;
    this.#functionPorts =
      parts.plane === null
        ? null
        : new FunctionPorts(parts.plane, (view) => report({ type: "data-plane", view }));
    this.#launcher = Promise.resolve(parts.launcher);
    this.#privates = new PrivateInstances(start.engine.privateRange, parts.plane, parts.ports);
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
        report({ type: "output", functionId: functionOf(functionId), instanceOf: functionId, stream, chunk });
      },
      outputRoom: (functionId) => this.#output.get(functionId)?.flow.room ?? null,
      finishImage: (request) => this.#images.finish(request),
      ringFailed: (functionId, error) => this.#emit({ type: "error", functionId, error: error.toJSON() }),
      discard: (path) => report({ type: "discard", path }),
    };
    this.#table = new FunctionTable({
      declare: (config) => this.#declare(config),
      make: (config) => this.#make(config),
      made: (config) => this.#lead(config),
      rehearse: (config) => this.#rehearse(config),
      unmake: (replicaId) => {
        this.#output.delete(replicaId);
        this.#privates.release(replicaId);
        this.#cgroups.removeFunction(replicaId);
      },
      removed: (id) => {
        this.#stats.removed(id);
        this.#functionPorts?.release(id);
      },
      emit: (event) => this.#emit(event),
      changed: (id) => this.#changed(id),
      discard: (path) => this.#context.discard(path),
      parallelStarts: start.engine.maxParallelRestores,
    });
    this.#budget = new MemoryBudget({
      budgetBytes: start.engine.memoryBudgetBytes,
      idleFunctions: () => this.#table.idleFunctions(),
      demote: (id) => this.#table.demote(id),
      notice: (text) => this.#emit({ type: "notice", functionId: null, text }),
      monotonic: monotonicMs,
    });
    this.#stats = new StatsRecorder(
      {
        region: parts.region,
        functions: this.#table,
        traffic: trafficOf(parts.plane),
        monotonic: monotonicMs,
        onError: (error) => this.#emit({ type: "error", functionId: null, error: error.toJSON() }),
      },
      start.functions.map(({ id }) => id),
    );
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
      cleanup.defer(() => removeEmpty(start.snapshotRoot));
      const cgroups = cleanup.adopt(EngineCgroups.create(start.cgroupName), (made) => void made.remove());
      requireMemoryFigures(start.engine, cgroups);
      const ports = cleanup.use(PortPrograms.load(start.bpfDirectory, cgroups.root));
      const region = cleanup.use(openRegion(start));
      const plane = attachDataPlane(start, epoll, emit);
      if (plane !== null) cleanup.use(plane);
      const parts: { current: Reactor | null } = { current: null };
      const lost = (error: AetherError): void => parts.current?.launcherLost(error);
      const launcher = cleanup.use(await Launcher.start(epoll, start.programsDirectory, true, lost));
      const images = cleanup.use(new ImageThread());
      const reactor = new Reactor(start, report, { epoll, cgroups, ports, plane, images, launcher, region });
      cleanup.defer(() => reactor.#stats[Symbol.dispose]());
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
    const { runtimeDir, stats } = this.#start;
    await launcher.setUndo({
      cgroups: this.#cgroups.paths,
      files: [`${runtimeDir}/control.sock`, stats.file, draftOf(stats.file)],
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

  /** What happens to one of several instances is told of the function. */
  #emit(event: EventBody): void {
    const told =
      "functionId" in event && event.functionId !== null
        ? { ...event, functionId: functionOf(event.functionId) }
        : event;
    this.#stats.take(told);
    this.#report({ type: "event", event: told });
  }

  #publish(changed: ReadonlySet<string>): void {
    const views = [...changed].flatMap((id) => this.#table.view(id) ?? []);
    this.#functionPorts?.follow(views);
    this.#report({ type: "views", changed: views, order: this.#table.ids });
    this.#stats.changed(changed);
  }

  #changed(id: string): void {
    this.#publisher.mark(functionOf(id));
    this.#budget.note();
  }

  #surroundings(network: InstanceNetwork | null): FunctionSurroundings {
    return {
      now: () => this.#context.now(),
      monotonic: () => this.#context.monotonic(),
      emit: (event) => this.#emit(event),
      changed: (id) => this.#changed(id),
      discard: (path) => this.#context.discard(path),
      seal: (image) => this.#report({ type: "seal", image }),
      restores: this.#restores,
      proofs: this.#proofs,
      ahead: this.#ahead,
      pool: this.#pool,
      warmUp: (config, listens) =>
        warmUp(this.#epoll, config, listens, ({ family }) =>
          Promise.resolve(network?.run(() => inetSocket(family)) ?? null),
        ),
    };
  }

  #declare(config: FunctionConfig): void {
    this.#stats.made(config.id);
    this.#functionPorts?.declare(config);
  }

  /** Packets to the function's port go to its instances, where they have addresses of their own. */
  #lead(config: FunctionConfig): void {
    const addresses = replicaIds(config).flatMap((id) => this.#privates.addressOf(id) ?? []);
    this.#functionPorts?.lead(config.id, addresses);
  }

  #make(config: FunctionConfig): FunctionRuntime {
    const output: FunctionOutput = { tail: new OutputTail(), flow: new OutputFlow() };
    this.#output.set(config.id, output);
    const own = config.network === "private" ? this.#privates.take(config) : null;
    const cgroup = this.#cgroups.createFunction(config.id, { memoryLimitBytes: config.memoryLimitBytes });
    const driver = new SandboxDriver(this.#context, {
      config,
      cgroup,
      lastOutput: () => output.tail.lines(),
      network: own?.network ?? null,
    });
    const held = new HeldListeners(this.#epoll, own?.programs ?? this.#ports, {
      protocol: config.protocol,
      syns: this.#plane,
      inNetwork: own === null ? (work) => work() : (work) => own.network.run(work),
      notice: (text) => this.#emit({ type: "notice", functionId: config.id, text }),
    });
    const idle = new IdleMonitor(own?.programs ?? this.#ports);
    const connections = new FrozenConnections(this.#epoll);
    const parts = { driver, held, idle, connections, network: own };
    return new FunctionRuntime(config, parts, this.#surroundings(own?.network ?? null));
  }

  async #rehearse(config: FunctionConfig): Promise<Image | null> {
    if (!mustProve(config)) return null;
    const { id, memoryLimitBytes } = config;
    const cgroup = this.#cgroups.createFunction(id, { memoryLimitBytes }, "next");
    try {
      return await rehearse(config, {
        context: this.#context,
        cgroup,
        proofs: this.#proofs,
        notice: (text) => this.#emit({ type: "notice", functionId: id, text }),
      });
    } finally {
      this.#cgroups.removeFunction(id, "next");
    }
  }

  get epollNumber(): number {
    return this.#epoll.number;
  }

  /** Brings all functions to their first states. */
  async begin(): Promise<void> {
    await this.#table.begin(this.#start.functions, this.#start.adopted);
    this.#privates.sweep();
  }

  /** Applies a new configuration. */
  async apply(order: ReactorApply): Promise<void> {
    requireMemoryFigures(order.engine, this.#cgroups);
    this.#restores.resize(order.engine.maxParallelRestores);
    this.#budget.resize(order.engine.memoryBudgetBytes);
    this.#reloadDataPlane(order.engine.dataPlane);
    for (const config of order.updated) this.#functionPorts?.declare(config);
    try {
      await this.#table.apply(order);
    } finally {
      this.#privates.sweep();
    }
    this.#stats.reordered(order.order);
  }

  /** What cannot be attached is reported; what was attached stays, and holds up no function. */
  #reloadDataPlane(config: DataPlaneConfig | null): void {
    if (config === null || this.#plane === null) return;
    try {
      this.#plane.reload(config);
    } catch (error) {
      this.#emit({ type: "error", functionId: null, error: toAetherError(error).toJSON() });
    }
    this.#report({ type: "data-plane", view: this.#plane.view() });
  }

  /** Carries out an order on one function. Rejects with a typed error. */
  action(functionId: string, action: FunctionAction): Promise<FunctionView> {
    return this.#table.action(functionId, action);
  }

  /** The connections of all functions, as the kernel's program counts them at this moment. */
  connections(): ConnectionCounts {
    const toWallMs = Date.now() - monotonicMs();
    return { atMs: Date.now(), functions: this.#table.connections(toWallMs) };
  }

  /** The engine's thread has reported an error. */
  errorSeen(event: Extract<EventBody, { readonly type: "error" }>): void {
    this.#stats.take(event);
  }

  /** Gives a function an event. Rejects with a typed error. */
  invoke(functionId: string, event: Event): Promise<Delivered> {
    return this.#table.invoke(functionId, event);
  }

  /** The engine has taken in so much of an instance's output. */
  outputTaken(instanceOf: string, bytes: number): void {
    this.#output.get(instanceOf)?.flow.acknowledged(bytes);
  }

  /** Ends everything in order. Returns the images that are there. */
  async stop(): Promise<Image[]> {
    this.#closing = true;
    this.#budget[Symbol.dispose]();
    this.#stats.stopping();
    const images = await this.#table.stop();
    this.#publisher[Symbol.dispose]();
    const launcher = await this.#launcher;
    await launcher[Symbol.asyncDispose]();
    await this.#images[Symbol.asyncDispose]();
    this.#stats[Symbol.dispose]();
    this.#privates[Symbol.dispose]();
    this.#plane?.[Symbol.dispose]();
    this.#ports[Symbol.dispose]();
    this.#cgroups.remove();
    this.#epoll[Symbol.dispose]();
    return images;
  }
}

/** A budget of what nobody counts would be a promise without meaning. */
function requireMemoryFigures(engine: EngineConfig, cgroups: EngineCgroups): void {
  if (engine.memoryBudgetBytes === null || cgroups.memoryProblem === null) return;
  throw new AetherError("AE_MACHINE_NOT_READY", "engine.memory_budget cannot be kept", {
    why: cgroups.memoryProblem,
    hint: "Boot with cgroup_enable=memory, or leave memory_budget out.",
  });
}

/** The stats region with its first pulse: whoever opens the file sees an engine that lives. */
function openRegion({ stats, functions }: ReactorStart): StatsRegion {
  return new StatsRegion(stats.file, stats.identity, {
    heartbeatMs: monotonicMs(),
    beats: 0,
    phase: "starting",
    readyCount: 0,
    functionCount: functions.length,
    memoryBytes: 0,
    cpuMs: 0,
  });
}
