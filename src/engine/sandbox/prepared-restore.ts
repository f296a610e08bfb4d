/** A sandbox with its CRIU worker waiting for the word, made before anybody connects. */
import { affinityOf } from "../../ffi/affinity.ts";
import type { CpuMask } from "../../ffi/affinity.ts";
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import { openDirectory, openForWriting } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import { openProcess } from "../../ffi/pidfd.ts";
import { CriuWorker } from "../snapshot/criu-worker.ts";
import { encodeRestore } from "../snapshot/criu-rpc.ts";
import type { CriuResponse } from "../snapshot/criu-rpc.ts";
import { heapFileOf } from "../snapshot/image.ts";
import type { Image } from "../snapshot/image.ts";
import type { Manifest } from "../snapshot/manifest.ts";
import type { InstanceRing } from "../ipc/instance-ring.ts";
import { ringParts } from "../ipc/ring-memory.ts";
import type { FunctionCgroup } from "./cgroups.ts";
import type { SandboxContext } from "./context.ts";
import { sandboxLayout } from "./layout.ts";
import type { PersistentFolders } from "./layout.ts";
import { OutputPipes } from "./output.ts";
import { hostPidOf } from "./process-tree.ts";
import { Sandbox } from "./sandbox.ts";

/** Numbers of the output pipes in the worker; clear of stdio and its RPC socket. */
const stdoutNumber = 10;
const stderrNumber = 11;
/** The first of the ring's descriptors. */
const ringNumber = 12;
/** Errors only: everything else costs time on the wake path. */
const hotLogLevel = 1;

export const restoreLogName = "restore.log";

export interface PrepareOptions {
  readonly functionId: string;
  readonly name: string;
  readonly image: Image;
  readonly folders: PersistentFolders;
  readonly sharedTmp: readonly string[];
  readonly workDirectory: string;
  readonly cgroup: FunctionCgroup;
  readonly privileged: boolean;
  /** "new": one of its own, for a trial; `null`: the machine's. */
  readonly network: Fd | "new" | null;
  /** The rings of the copy; `null` where the image has none. Ends with the restore, or goes to its instance. */
  readonly ring: InstanceRing | null;
  /** "size": the caller compares the programs' stamps. */
  readonly validate: "size" | "build-id";
}

export class PreparedRestore implements Disposable {
  readonly image: Image;
  readonly sandbox: Sandbox;
  readonly pipes: OutputPipes;
  readonly ring: InstanceRing | null;
  /** Host process id of the worker, looked up ahead; `null` when it was gone at once. */
  readonly workerPid: number | null;
  /** Where the worker may run; `null` when it was gone at once. */
  readonly affinity: CpuMask | null;
  /** How its CRIU compares programs with those of the dump. */
  readonly validate: "size" | "build-id";
  readonly #worker: CriuWorker;
  /** Resolves when the processes are there and wait; `null` before it was asked for. */
  #holding: Promise<void> | null = null;
  #heldPid: number | null = null;
  /** The same as a descriptor, watched while it is held. */
  #process: Fd | null = null;
  readonly #epoll: Epoll;

  private constructor(
    epoll: Epoll,
    { image, validate, ring }: PrepareOptions,
    sandbox: Sandbox,
    pipes: OutputPipes,
    worker: CriuWorker,
  ) {
    this.#epoll = epoll;
    this.image = image;
    this.validate = validate;
    this.ring = ring;
    this.sandbox = sandbox;
    this.pipes = pipes;
    this.#worker = worker;
    this.workerPid = hostPidOf(sandbox.initPid, worker.pid);
    this.affinity = this.workerPid === null ? null : affinityOf(this.workerPid);
  }

  /** Makes the sandbox and starts the worker. Rejects with AetherError or WireError; nothing is left then. */
  static async create(context: SandboxContext, options: PrepareOptions): Promise<PreparedRestore> {
    using cleanup = new DisposableStack();
    const images = cleanup.use(openDirectory(options.image.directory));
    const work = cleanup.use(openDirectory(options.workDirectory));
    const join: Fd[] = options.cgroup.procsFiles.map((path) => cleanup.use(openForWriting(path)));
    const pipes = new OutputPipes(context, options.functionId);
    try {
      const sandbox = await Sandbox.create(context.epoll, await context.launcher(), options.name, {
        network: options.network,
        setup: sandboxLayout({
          sharedTmp: options.sharedTmp,
          folders: options.folders,
          handshakeSocket: null,
          heapFile: heapFileOf(options.image),
          privileged: options.privileged,
          privateNetwork: options.network === "new",
        }),
      });
      try {
        const worker = await CriuWorker.start(context.epoll, sandbox, {
          criu: context.criu.binary,
          env: context.criu.restoreEnv,
          images,
          work,
          validate: options.validate,
          join,
          inherit: [
            { number: stdoutNumber, fd: pipes.stdout },
            { number: stderrNumber, fd: pipes.stderr },
            ...(options.ring?.memory.descriptors ?? []).map(({ fd }, index) => ({
              number: ringNumber + index,
              fd,
            })),
          ],
        });
        pipes.closeWriteEnds();
        options.ring?.memory.closeTheirs();
        return new PreparedRestore(context.epoll, options, sandbox, pipes, worker);
      } catch (error) {
        sandbox.kill();
        throw error;
      }
    } catch (error) {
      pipes[Symbol.dispose]();
      options.ring?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether it still waits for its wake; it may have been killed meanwhile. */
  get isUsable(): boolean {
    return this.#worker.isWaiting || (this.isBegun && this.#worker.isAtWork);
  }

  /** Whether the restore is done ahead, or about to be. */
  get isBegun(): boolean {
    return this.#holding !== null;
  }

  /** Host process id of the first process that is held; `null` while none is. */
  get heldPid(): number | null {
    return this.#heldPid;
  }

  /** Restores up to the first instruction of the processes. Rejects as `restore`; of no use any more then. */
  hold(): Promise<void> {
    this.#holding = this.#hold();
    return this.#holding;
  }

  async #hold(): Promise<void> {
    await this.#worker.requestHeld(this.#request(true));
    this.#heldPid = hostPidOf(this.sandbox.initPid, this.image.manifest.rootPid);
    if (this.#heldPid === null) throw new Error("the restored process was gone at once");
    // Killed from outside while it is held: nobody but its tracer, which waits for us, is told of that.
    const process = openProcess(this.#heldPid);
    if (process === null) throw new Error("the restored process was gone at once");
    this.#process = process;
    this.#epoll.add(process, epollIn, () => this.sandbox.kill());
  }

  /**
   * Sends the restore, or lets the processes run where they are there already. Rejects when the worker ends without an
   * answer, also because the sandbox was killed.
   */
  async restore(): Promise<CriuResponse> {
    if (this.#holding !== null) await this.#holding;
    this.#forgetProcess();
    this.ring?.waking();
    return await (this.isBegun ? this.#worker.proceed() : this.#worker.request(this.#request(false)));
  }

  #forgetProcess(): void {
    if (this.#process === null) return;
    this.#epoll.remove(this.#process);
    this.#process.close();
    this.#process = null;
  }

  #request(stepwise: boolean): Buffer {
    const { manifest } = this.image;
    return encodeRestore({
      imagesFd: this.#worker.imagesFd,
      workFd: this.#worker.workFd,
      logLevel: hotLogLevel,
      logFile: restoreLogName,
      // Also for an image without open connections: a socket whose connection is over, and which its owner has not
      // closed yet, is saved without a word and refused by the restore ("Connected TCP socket in image").
      tcp: manifest.tcp === "keep" ? "keep" : "close",
      inherit: [
        { key: manifest.stdout, fd: stdoutNumber },
        { key: manifest.stderr, fd: stderrNumber },
        ...ringKeys(manifest.ring),
      ],
      stepwise,
    });
  }

  [Symbol.dispose](): void {
    this.#forgetProcess();
    this.sandbox.kill();
    this.#worker[Symbol.dispose]();
    this.pipes[Symbol.dispose]();
    this.ring?.[Symbol.dispose]();
  }
}

function ringKeys(ring: Manifest["ring"]): { key: string; fd: number }[] {
  if (ring === null) return [];
  return ringParts.map((part, index) => ({ key: ring.keys[part], fd: ringNumber + index }));
}
