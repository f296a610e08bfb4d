/** The sandbox as a driver of instances: cold start, dump, trial, prepared restore (lifecycle/driver.ts). */
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { openForWriting } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type {
  DumpResult,
  Instance,
  InstanceDriver,
  RestoredAhead,
  WakeOptions,
  WakeResult,
} from "../lifecycle/driver.ts";
import { readRestoreStats } from "../snapshot/restore-stats.ts";
import { heapFileOf, ImageFolder, listensOf } from "../snapshot/image.ts";
import type { Image } from "../snapshot/image.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import type { InstanceRing } from "../ipc/instance-ring.ts";
import type { FunctionCgroup } from "./cgroups.ts";
import { boundedRestore } from "./bounded-restore.ts";
import { spawnError, waitUntilReady } from "./cold-start.ts";
import type { SandboxContext } from "./context.ts";
import { setupError } from "./driver-errors.ts";
import { dumpInstance } from "./dump.ts";
import { functionCapabilities, functionEnvironment } from "./environment.ts";
import { Handshake } from "./handshake.ts";
import { sandboxLayout, sharedTmpEntries } from "./layout.ts";
import type { PersistentFolders } from "./layout.ts";
import type { FunctionPort } from "./listeners.ts";
import { OutputPipes } from "./output.ts";
import { InstanceRings } from "./instance-rings.ts";
import { loopbackOf } from "./probe.ts";
import { PreparedRestore } from "./prepared-restore.ts";
import { PreparedSet } from "./prepared-set.ts";
import { RestoresAhead } from "./restores-ahead.ts";
import { Sandbox } from "./sandbox.ts";
import { SandboxInstance } from "./sandbox-instance.ts";
import { timedRestore } from "./timed-restore.ts";
import type { TimedRestore } from "./timed-restore.ts";
import { proveAnswers, proveRestore, trialCount } from "./trial.ts";

/** First process of a function: clear of init, of CRIU workers and of CRIU's helpers, so that clones never collide. */
const firstPid = 100;

export interface SandboxDriverOptions {
  readonly config: FunctionConfig;
  readonly cgroup: FunctionCgroup;
  /** Last lines of the function's output. */
  readonly lastOutput: () => readonly string[];
  /** A version that is tried beside the running one: in a network of its own, with its own work folder and socket. */
  readonly rehearsal?: boolean;
  /** The network of its own that it runs in; `null`, and of a rehearsal: none. */
  readonly network?: SandboxNetwork | null;
}

/** A network namespace that outlives the sandboxes in it. */
export interface SandboxNetwork {
  readonly namespace: Fd;
  readonly address: string;
}

export class SandboxDriver implements InstanceDriver {
  readonly #context: SandboxContext;
  #config: FunctionConfig;
  readonly #cgroup: FunctionCgroup;
  readonly #lastOutput: () => readonly string[];
  readonly #images: ImageFolder;
  readonly #folders: PersistentFolders;
  readonly #workDirectory: string;
  readonly #sharedTmp: readonly string[];
  readonly #prepared = new PreparedSet();
  readonly #ahead = new RestoresAhead(this.#prepared);
  readonly #rehearsal: boolean;
  readonly #network: SandboxNetwork | null;
  /** The sandbox of a start, a trial or a restore that is not finished. */
  #underWay: Sandbox | null = null;
  #sequence = 0;
  readonly #rings: InstanceRings;

  constructor(context: SandboxContext, options: SandboxDriverOptions) {
    const { config } = options;
    this.#context = context;
    this.#config = config;
    this.#cgroup = options.cgroup;
    this.#rings = new InstanceRings(context, config.id);
    this.#lastOutput = options.lastOutput;
    this.#rehearsal = options.rehearsal === true;
    this.#network = options.network ?? null;
    // CRIU with its libraries runs inside the sandbox too.
    this.#sharedTmp = sharedTmpEntries([
      config.cwd,
      config.program,
      context.criu.binary,
      ...config.command.slice(1),
    ]);
    const root = `${context.snapshotRoot}/${config.id}`;
    this.#images = new ImageFolder(root);
    this.#workDirectory = `${root}/${this.#rehearsal ? "work-next" : "work"}`;
    mkdirSync(this.#workDirectory, { recursive: true, mode: 0o700 });
    this.#folders = { tmp: `${context.tmpRoot}/${config.id}`, shm: `${root}/shm` };
    for (const folder of Object.values(this.#folders)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chmodSync(folder, 0o1777);
      chownSync(folder, config.user?.uid ?? 0, config.user?.gid ?? 0);
    }
  }

  #name(): string {
    this.#sequence += 1;
    return `${this.#config.id}-${this.#rehearsal ? "next-" : ""}${this.#sequence}`;
  }

  async start(): Promise<SandboxInstance> {
    this.#ahead.unlearn();
    const { config } = this;
    const context = this.#context;
    const name = this.#name();
    const handshake =
      config.ready.kind === "handshake"
        ? new Handshake(context.epoll, this.#socketPath(), config.user?.uid ?? 0)
        : null;
    const pipes = new OutputPipes(
      context.epoll,
      (stream, chunk) => context.output(config.id, stream, chunk),
      () => context.outputRoom(config.id),
    );
    pipes.watch();
    let sandbox: Sandbox | null = null;
    let ring: InstanceRing | null = null;
    try {
      if (config.ring) ring = this.#rings.make(name, null);
      sandbox = await this.#sandbox(name, handshake);
      this.#underWay = sandbox;
      const oomKills = this.#cgroup.oomKills();
      const rootPid = await this.#spawn(sandbox, pipes, ring);
      const instance = new SandboxInstance(context, {
        id: name,
        functionId: config.id,
        where: this.#where,
        sandbox,
        pipes,
        cgroup: this.#cgroup,
        rootPid,
        ring,
        heapFile: null,
        helperPid: null,
        oomKills,
      });
      try {
        await waitUntilReady({
          context,
          config,
          instance,
          handshake,
          lastOutput: this.#lastOutput,
          ownNetwork: this.#rehearsal
            ? { reached: null }
            : this.#network && { reached: this.#network.address },
        });
      } catch (error) {
        await instance.kill();
        throw error;
      }
      return instance;
    } catch (error) {
      sandbox?.kill();
      pipes[Symbol.dispose]();
      ring?.[Symbol.dispose]();
      throw error;
    } finally {
      this.#underWay = null;
      handshake?.[Symbol.dispose]();
    }
  }

  get config(): FunctionConfig {
    return this.#config;
  }

  #socketPath(): string {
    return `${this.#context.runtimeDir}/${this.#config.id}${this.#rehearsal ? ".next" : ""}.sock`;
  }

  async #sandbox(name: string, handshake: Handshake | null): Promise<Sandbox> {
    const { config } = this;
    try {
      return await Sandbox.create(this.#context.epoll, await this.#context.launcher(), name, {
        network: this.#rehearsal ? "new" : (this.#network?.namespace ?? null),
        setup: sandboxLayout({
          sharedTmp: this.#sharedTmp,
          folders: this.#folders,
          handshakeSocket: handshake?.path ?? null,
          heapFile: null,
          privileged: config.privileged,
          privateNetwork: this.#rehearsal,
        }),
      });
    } catch (error) {
      throw setupError(config.id, error);
    }
  }

  async #spawn(sandbox: Sandbox, pipes: OutputPipes, ring: InstanceRing | null): Promise<number> {
    const { config } = this;
    using cleanup = new DisposableStack();
    const join: Fd[] = this.#cgroup.procsFiles.map((path) => cleanup.use(openForWriting(path)));
    try {
      const { pid } = await sandbox.spawn({
        argv: [config.program, ...config.command.slice(1)],
        env: functionEnvironment(config),
        cwd: config.cwd,
        user: config.user,
        capabilities: config.privileged ? null : functionCapabilities,
        noNewPrivs: !config.privileged,
        ioUringGuard: true,
        lastPid: firstPid - 1,
        descriptors: [
          { number: 1, fd: pipes.stdout },
          { number: 2, fd: pipes.stderr },
          ...(ring?.memory.descriptors ?? []),
        ],
        join,
        hold: [],
        rpcSocket: null,
        oomScoreAdj: null,
      });
      pipes.closeWriteEnds();
      ring?.memory.closeTheirs();
      return pid;
    } catch (error) {
      throw spawnError(config, error);
    }
  }

  async snapshot(instance: Instance, listens: readonly ListenAddress[]): Promise<DumpResult> {
    const own = this.#own(instance);
    await own.ring?.layDown();
    try {
      return await dumpInstance(this.#context, {
        config: this.#config,
        instance: own,
        images: this.#images,
        workDirectory: this.#workDirectory,
        listens,
      });
    } catch (error) {
      own.ring?.resume();
      throw error;
    }
  }

  async proceed(instance: Instance): Promise<void> {
    const own = this.#own(instance);
    await own.continueAfterDump();
    own.ring?.resume();
  }

  #own(instance: Instance): SandboxInstance {
    if (instance instanceof SandboxInstance) return instance;
    throw new AetherError("AE_INTERNAL", `${instance.id} is no instance of this driver`);
  }

  async prove(image: Image, before: readonly AnsweredRequest[]): Promise<number> {
    const durations: number[] = [];
    for (let trial = 0; trial < trialCount; trial++) {
      using prepared = await this.#make(image, true);
      prepared.pipes.watch();
      const { sentAtMs, answeredAtMs, failure } = await this.#timed(prepared);
      if (failure !== null) throw failure;
      // Hooks often connect to somewhere, and nothing outside answers in a trial: their failure says nothing here.
      await prepared.ring?.awake().catch(() => undefined);
      const target = loopbackOf(listensOf(image.manifest), this.#config.triggerPort ?? 0);
      const parts = { context: this.#context, config: this.#config, sandbox: prepared.sandbox, target };
      // Every copy is the same: one is asked all, the others whether they answer at all.
      if (trial === 0) await proveAnswers(parts, before);
      if (trial > 0 || before.length === 0) await proveRestore(parts);
      durations.push(answeredAtMs - sentAtMs);
      prepared.sandbox.kill();
      await prepared.sandbox.gone;
    }
    return durations.toSorted((left, right) => left - right)[Math.floor(durations.length / 2)] ?? 0;
  }

  async #timed(prepared: PreparedRestore): Promise<TimedRestore> {
    this.#underWay = prepared.sandbox;
    try {
      return await timedRestore(this.#context, prepared, {
        functionId: this.#config.id,
        workDirectory: this.#workDirectory,
      });
    } finally {
      this.#underWay = null;
    }
  }

  async #make(image: Image, privateNetwork: boolean, touched = false): Promise<PreparedRestore> {
    const name = this.#name();
    try {
      return await PreparedRestore.create(this.#context, {
        functionId: this.#config.id,
        name,
        image,
        ring: image.manifest.ring === null ? null : this.#rings.make(name, image.manifest.ring),
        sharedTmp: this.#sharedTmp,
        folders: this.#folders,
        workDirectory: this.#workDirectory,
        cgroup: this.#cgroup,
        privileged: this.#config.privileged,
        network: privateNetwork ? "new" : (this.#network?.namespace ?? null),
        validate: image.manifest.allStamped && !touched ? "size" : "build-id",
      });
    } catch (error) {
      throw setupError(this.#config.id, error);
    }
  }

  async prepare(image: Image, count: number): Promise<void> {
    await this.#prepared.fill(image, count, () => this.#make(image, false));
  }

  get preparedCount(): number {
    return this.#prepared.count;
  }

  restoreAhead(image: Image): Promise<RestoredAhead | null> {
    return this.#ahead.hold(image, {
      functionId: this.#config.id,
      workDirectory: this.#workDirectory,
      where: this.#where,
    });
  }

  get isRestoredAhead(): boolean {
    return this.#prepared.holds;
  }

  get #where(): FunctionPort {
    return { protocol: this.#config.protocol, port: this.#config.triggerPort };
  }

  async wake(image: Image, options: WakeOptions): Promise<WakeResult> {
    let oomKills = 0;
    const run = (prepared: PreparedRestore): Promise<TimedRestore> => {
      const restoring = this.#timed(prepared);
      // Read while CRIU works: a client waits for everything before that, and no instruction has run yet.
      oomKills = this.#cgroup.oomKills();
      return restoring;
    };
    const { id } = this.#config;
    const ahead = this.#prepared.take(image) ?? (await this.#make(image, false));
    let done = await boundedRestore(id, ahead, options, run);
    if (done === "lost") done = await boundedRestore(id, await this.#make(image, false), options, run);
    // A program that was touched may have been replaced by the same again: CRIU compares the build ids then.
    if (done === "touched")
      done = await boundedRestore(id, await this.#make(image, false, true), options, run);
    if (typeof done === "string")
      throw new AetherError("AE_INTERNAL", `${id}: one made anew was ${done}, too`);
    const { prepared, restored } = done;
    const instance = new SandboxInstance(this.#context, {
      id: prepared.sandbox.name,
      functionId: id,
      where: this.#where,
      sandbox: prepared.sandbox,
      pipes: prepared.pipes,
      cgroup: this.#cgroup,
      rootPid: restored.rootPid,
      pid: prepared.heldPid,
      ring: prepared.ring,
      heapFile: heapFileOf(image),
      helperPid: prepared.workerPid,
      oomKills,
    });
    try {
      await prepared.ring?.awake();
    } catch (error) {
      await instance.kill();
      throw error;
    }
    return {
      instance,
      ahead: this.#ahead.of(prepared),
      restoreMs: restored.answeredAtMs - restored.sentAtMs,
      sentAtMs: restored.sentAtMs,
      answeredAtMs: restored.answeredAtMs,
      handedOver: () => {
        restored.cpu?.release(instance.pids());
        prepared.pipes.watchSoon();
        if (this.#config.restoreAhead !== "never") this.#ahead.learnSoon(() => instance.pids());
      },
      criu: () => readRestoreStats(this.#workDirectory),
    };
  }

  update(config: FunctionConfig): void {
    this.#config = config;
  }

  abort(): void {
    this.#underWay?.kill();
  }

  forget(): void {
    this.#prepared.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ahead[Symbol.dispose]();
    await this.#prepared[Symbol.asyncDispose]();
  }
}
