/**
 * The reactor: one thread that owns every instance, its state and its queue of operations, so that a wake runs from
 * connection to hand-over without crossing a thread.
 */
import { totalmem } from "node:os";
import type { DataPlaneConfig, FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { toAetherError } from "../../protocol/errors.ts";
import type { AetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { ConnectionCounts, FunctionView } from "../../protocol/views.ts";
import { ChangePublisher } from "../change-publisher.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import { functionOf, replicaIds } from "../lifecycle/replicas.ts";
import { FunctionPorts } from "../dataplane/function-ports.ts";
import { PrivateInstances } from "../network/private-instances.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { trafficOf } from "../dataplane/traffic.ts";
import { checkCriu } from "../snapshot/check-criu.ts";
import type { Image } from "../snapshot/image.ts";
import { Gate } from "../wake/gate.ts";
import { monotonicMs } from "../monotonic.ts";
import { MemoryBudget } from "../wake/memory-budget.ts";
import { poolCapacity, WarmPool } from "../wake/warm-pool.ts";
import { StatsRecorder } from "../stats/recorder.ts";
import { FunctionMaker } from "./function-maker.ts";
import { FunctionTable } from "./function-table.ts";
import { InstanceOutputs } from "./instance-outputs.ts";
import { makeParts, requireMemoryFigures } from "./reactor-parts.ts";
import type { ReactorParts } from "./reactor-parts.ts";
import type { ReactorApply, ReactorReport, ReactorStart } from "./reactor-messages.ts";

/** Views cross to the engine's thread at most so often. */
const viewIntervalMs = 100;

export class Reactor {
  readonly #start: ReactorStart;
  readonly #report: (report: ReactorReport) => void;
  readonly #parts: ReactorParts;
  readonly #functionPorts: FunctionPorts | null;
  readonly #privates: PrivateInstances;
  readonly #restores: Gate;
  readonly #publisher: ChangePublisher<string>;
  readonly #outputs = new InstanceOutputs();
  readonly #maker: FunctionMaker;
  readonly #table: FunctionTable;
  readonly #budget: MemoryBudget;
  readonly #stats: StatsRecorder;
  readonly #context: SandboxContext;

  private constructor(start: ReactorStart, report: (report: ReactorReport) => void, parts: ReactorParts) {
    const { plane, ports } = parts;
    this.#start = start;
    this.#report = report;
    this.#parts = parts;
    this.#functionPorts =
      plane === null ? null : new FunctionPorts(plane, (view) => report({ type: "data-plane", view }));
    this.#privates = new PrivateInstances(start.engine.privateRange, plane, ports);
    this.#restores = new Gate(start.engine.maxParallelRestores);
    this.#publisher = new ChangePublisher(viewIntervalMs, (changed) => this.#publish(changed));
    this.#context = this.#makeContext();
    this.#maker = new FunctionMaker({
      parts,
      context: this.#context,
      outputs: this.#outputs,
      privates: this.#privates,
      surroundings: {
        now: () => this.#context.now(),
        monotonic: () => this.#context.monotonic(),
        emit: (event) => this.#emit(event),
        changed: (id) => this.#changed(id),
        discard: (path) => this.#context.discard(path),
        seal: (image) => this.#report({ type: "seal", image }),
        restores: this.#restores,
        proofs: new Gate(1),
        ahead: new Gate(1),
        pool: new WarmPool(start.engine.warmPool ?? poolCapacity(totalmem())),
      },
    });
    this.#table = new FunctionTable({
      declare: (config) => this.#declare(config),
      make: (config) => this.#maker.make(config),
      made: (config) => this.#lead(config),
      rehearse: (config) => this.#maker.rehearse(config),
      unmake: (replicaId) => this.#maker.unmake(replicaId),
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
        traffic: trafficOf(plane),
        monotonic: monotonicMs,
        onError: (error) => this.#emit({ type: "error", functionId: null, error: error.toJSON() }),
      },
      start.functions.map(({ id }) => id),
    );
  }

  /** Launcher, cgroups and kernel programs, and CRIU at work once: whatever is missing is found before a function starts. */
  static async create(start: ReactorStart, report: (report: ReactorReport) => void): Promise<Reactor> {
    await using cleanup = new AsyncDisposableStack();
    let reactor: Reactor | null = null;
    const news = {
      emit: (event: EventBody): void =>
        reactor === null ? report({ type: "event", event }) : reactor.#emit(event),
      failed: (error: AetherError): void => report({ type: "failed", error: error.toJSON() }),
    };
    const made = new Reactor(start, report, await makeParts(start, news, cleanup));
    cleanup.defer(() => made.#stats[Symbol.dispose]());
    reactor = made;
    await checkCriu(made.#context);
    cleanup.move();
    return made;
  }

  #makeContext(): SandboxContext {
    const { criu, engineVersion, runtimeDir, snapshotRoot, tmpRoot } = this.#start;
    const { epoll, launcher, images } = this.#parts;
    return {
      epoll,
      launcher: () => launcher.current,
      criu,
      engineVersion,
      runtimeDir,
      snapshotRoot,
      tmpRoot,
      now: () => Date.now(),
      monotonic: monotonicMs,
      output: (replicaId, stream, chunk) => {
        this.#outputs.sent(replicaId, chunk);
        const functionId = functionOf(replicaId);
        this.#report({ type: "output", functionId, instanceOf: replicaId, stream, chunk });
      },
      outputRoom: (replicaId) => this.#outputs.room(replicaId),
      finishImage: (request) => images.finish(request),
      ringFailed: (functionId, error) => this.#emit({ type: "error", functionId, error: error.toJSON() }),
      discard: (path) => this.#report({ type: "discard", path }),
    };
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

  #declare(config: FunctionConfig): void {
    this.#stats.made(config.id);
    this.#functionPorts?.declare(config);
  }

  /** Packets to the function's port go to its instances, where they have addresses of their own. */
  #lead(config: FunctionConfig): void {
    const addresses = replicaIds(config).flatMap((id) => this.#privates.addressOf(id) ?? []);
    this.#functionPorts?.lead(config.id, addresses);
  }

  get epollNumber(): number {
    return this.#parts.epoll.number;
  }

  /** Brings all functions to their first states. */
  async begin(): Promise<void> {
    await this.#table.begin(this.#start.functions, this.#start.adopted);
    this.#privates.sweep();
  }

  /** Applies a new configuration. */
  async apply(order: ReactorApply): Promise<void> {
    requireMemoryFigures(order.engine, this.#parts.cgroups);
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
    const { plane } = this.#parts;
    if (config === null || plane === null) return;
    try {
      plane.reload(config);
    } catch (error) {
      this.#emit({ type: "error", functionId: null, error: toAetherError(error).toJSON() });
    }
    this.#report({ type: "data-plane", view: plane.view() });
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
    this.#outputs.taken(instanceOf, bytes);
  }

  /** Ends everything in order. Returns the images that are there. */
  async stop(): Promise<Image[]> {
    const { launcher, images: imageThread, plane, ports, cgroups, epoll } = this.#parts;
    launcher.close();
    this.#budget[Symbol.dispose]();
    this.#stats.stopping();
    const images = await this.#table.stop();
    this.#publisher[Symbol.dispose]();
    await launcher[Symbol.asyncDispose]();
    await imageThread[Symbol.asyncDispose]();
    this.#stats[Symbol.dispose]();
    this.#privates[Symbol.dispose]();
    plane?.[Symbol.dispose]();
    ports[Symbol.dispose]();
    cgroups.remove();
    epoll[Symbol.dispose]();
    return images;
  }
}
