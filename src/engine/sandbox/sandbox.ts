/** One sandbox: namespaces with a tiny init, and what the engine asks of that init (rootfs/init.c). */
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import { signalProcess } from "../../ffi/pidfd.ts";
import type { Launcher } from "./launcher.ts";
import { WireChannel } from "./wire-channel.ts";
import type { WireReply } from "./wire-channel.ts";
import { fdRole, wireTag, wireType, WireWriter } from "./wire.ts";

const CLONE_NEWNS = 0x20000n;
const CLONE_NEWUTS = 0x4000000n;
const CLONE_NEWIPC = 0x8000000n;
const CLONE_NEWPID = 0x20000000n;
const CLONE_NEWNET = 0x40000000n;

const setupDeadlineMs = 10_000;
const spawnDeadlineMs = 10_000;
const shortDeadlineMs = 5_000;
const SIGKILL = 9;

/** A program to run inside; every field is explicit, nothing is inherited. */
export interface ProgramSpec {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | null;
  /** Capabilities kept; `null` keeps all. */
  readonly capabilities: bigint | null;
  readonly noNewPrivs: boolean;
  readonly ioUringGuard: boolean;
  /** The program gets this process id plus one; `null` leaves it to the kernel. */
  readonly lastPid: number | null;
  /** Descriptors of the program, by its numbers. Of 0, 1 and 2 those not given are the sandbox's own /dev/null. */
  readonly descriptors: readonly { readonly number: number; readonly fd: Fd }[];
  /** Open cgroup.procs files it joins first. */
  readonly join: readonly Fd[];
  /** Descriptors kept open in init, for CRIU to open as /proc/1/fd/N. */
  readonly hold: readonly Fd[];
  /** Number at which the program gets one end of a SEQPACKET pair; the other comes back. */
  readonly rpcSocket: number | null;
  /** Higher: the kernel prefers it when memory runs out. `null` leaves it. */
  readonly oomScoreAdj: number | null;
}

/** What a program of our own runs with inside a sandbox (CRIU): everything init has, nothing given. */
export const ownProgram = {
  cwd: "/",
  user: null,
  capabilities: null,
  noNewPrivs: false,
  ioUringGuard: false,
  lastPid: null,
  descriptors: [],
  join: [],
  hold: [],
  rpcSocket: null,
  oomScoreAdj: null,
} as const satisfies Omit<ProgramSpec, "argv" | "env">;

export interface SpawnedProgram {
  /** Inside the sandbox. */
  readonly pid: number;
  /** Numbers in init of the held descriptors, in order. */
  readonly held: readonly number[];
  readonly rpc: Fd | null;
}

/** One end of a process of the sandbox, as waitpid(2) reports it. */
export interface ExitStatus {
  readonly exitCode: number | null;
  readonly signal: number | null;
}

/** Splits a wait status (wait(2), WIFEXITED and so on). */
export function decodeWaitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? { exitCode: (status >> 8) & 0xff, signal: null } : { exitCode: null, signal };
}

/** A builder of the message that makes a sandbox's file systems; obeyed strictly in order. */
export class SandboxSetup {
  readonly writer = new WireWriter(wireType.SETUP);

  mount(type: string, source: string, target: string, flags = 0, data = ""): this {
    this.writer.text(wireTag.MOUNT, type, source, target, flags, data);
    return this;
  }

  directory(path: string, mode: number, uid = 0, gid = 0): this {
    this.writer.text(wireTag.MKDIR, path, mode.toString(8), uid, gid);
    return this;
  }

  symlink(target: string, path: string): this {
    this.writer.text(wireTag.SYMLINK, target, path);
    return this;
  }

  device(path: string, mode: number, major: number, minor: number): this {
    this.writer.text(wireTag.MKNOD, path, mode.toString(8), major, minor);
    return this;
  }

  sysctl(path: string, value: string): this {
    this.writer.text(wireTag.SYSCTL, path, value);
    return this;
  }

  loopback(): this {
    this.writer.empty(wireTag.LOOPBACK);
    return this;
  }
}

export class Sandbox implements Disposable {
  /** Process id of init on the host. */
  readonly initPid: number;
  readonly name: string;
  /** Resolves once init, and with it every process of the sandbox, is gone. */
  readonly gone: Promise<void>;
  readonly #pidfd: Fd;
  readonly #channel: WireChannel;
  readonly #exitListeners = new Map<number, (status: ExitStatus) => void>();
  /** Exits that arrived before somebody asked: an answer and the exit may come in one burst. */
  readonly #earlyExits = new Map<number, ExitStatus>();

  private constructor(
    name: string,
    initPid: number,
    pidfd: Fd,
    gone: Promise<void>,
    epoll: Epoll,
    control: Fd,
  ) {
    this.name = name;
    this.initPid = initPid;
    this.gone = gone;
    this.#pidfd = pidfd;
    this.#channel = new WireChannel(
      epoll,
      control,
      (message) => {
        if (message.type === wireType.EXIT) {
          this.#childEnded(message.int(wireTag.PID) ?? 0, decodeWaitStatus(message.int(wireTag.STATUS) ?? 0));
        }
      },
      () => this.#initGone(),
    );
  }

  /**
   * Makes the namespaces and obeys the set-up.
   * @throws AetherError AE_SANDBOX_SETUP_FAILED (launcher), WireError (a step of the set-up)
   */
  static async create(
    epoll: Epoll,
    launcher: Launcher,
    name: string,
    options: {
      /** Its network: a namespace there is, a new one, or (`null`) the machine's. */
      readonly network: Fd | "new" | null;
      readonly setup: SandboxSetup;
    },
  ): Promise<Sandbox> {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const flags =
      CLONE_NEWPID |
      CLONE_NEWNS |
      CLONE_NEWIPC |
      CLONE_NEWUTS |
      (options.network === "new" ? CLONE_NEWNET : 0n);
    const init = await launcher.makeInit(name, flags, () => resolve());
    const sandbox = new Sandbox(name, init.pid, init.pidfd, gone, epoll, init.control);
    try {
      const { network, setup } = options;
      if (network !== null && network !== "new") setup.writer.fd(fdRole.NETWORK, network.number);
      await sandbox.#channel.request(setup.writer, setupDeadlineMs);
    } catch (error) {
      sandbox.kill();
      throw error;
    }
    return sandbox;
  }

  /** Runs a program. Rejects with WireError naming the step that failed ("execve", "chdir", "setuid" ...). */
  async spawn(spec: ProgramSpec): Promise<SpawnedProgram> {
    const request = new WireWriter(wireType.SPAWN);
    for (const argument of spec.argv) request.text(wireTag.ARGV, argument);
    for (const [name, value] of Object.entries(spec.env)) request.text(wireTag.ENV, `${name}=${value}`);
    request.text(wireTag.CWD, spec.cwd);
    if (spec.user !== null) {
      request
        .u32(wireTag.UID, spec.user.uid)
        .u32(wireTag.GID, spec.user.gid)
        .u32(wireTag.GROUPS, ...spec.user.groups);
    }
    if (spec.capabilities !== null) request.u64(wireTag.CAPS, spec.capabilities);
    if (spec.noNewPrivs) request.empty(wireTag.NO_NEW_PRIVS);
    if (spec.ioUringGuard) request.empty(wireTag.IO_URING_GUARD);
    if (spec.lastPid !== null) request.u32(wireTag.LAST_PID, spec.lastPid);
    if (spec.rpcSocket !== null) request.u32(wireTag.RPC_SOCKET, spec.rpcSocket);
    if (spec.oomScoreAdj !== null) request.u32(wireTag.OOM_SCORE, spec.oomScoreAdj);
    for (const { number, fd } of spec.descriptors) request.fd(fdRole.CHILD, fd.number, number);
    for (const fd of spec.join) request.fd(fdRole.JOIN, fd.number);
    for (const fd of spec.hold) request.fd(fdRole.HOLD, fd.number);
    const { message, descriptors } = await this.#channel.request(request, spawnDeadlineMs);
    return {
      pid: message.int(wireTag.PID) ?? 0,
      held: message.ints(wireTag.HELD),
      rpc: descriptors[0] ?? null,
    };
  }

  /** Resolves when the process (a child of init) has ended; also when the whole sandbox has. */
  exitOf(pid: number): Promise<ExitStatus> {
    const early = this.#earlyExits.get(pid);
    if (early !== undefined) {
      this.#earlyExits.delete(pid);
      return Promise.resolve(early);
    }
    if (!this.#channel.isOpen) return Promise.resolve({ exitCode: null, signal: SIGKILL });
    return new Promise((resolve) => this.#exitListeners.set(pid, resolve));
  }

  #childEnded(pid: number, status: ExitStatus): void {
    const listener = this.#exitListeners.get(pid);
    this.#exitListeners.delete(pid);
    if (listener !== undefined) return listener(status);
    this.#earlyExits.set(pid, status);
    // Bounded: orphans nobody asks for would pile up otherwise.
    const oldest = this.#earlyExits.size > 64 ? this.#earlyExits.keys().next() : null;
    if (oldest !== null && oldest.done !== true) this.#earlyExits.delete(oldest.value);
  }

  #initGone(): void {
    for (const listener of this.#exitListeners.values()) listener({ exitCode: null, signal: SIGKILL });
    this.#exitListeners.clear();
  }

  /** Signals a process inside; -1 all of them but init. */
  async signal(pid: number, signal: number): Promise<void> {
    await this.#request(new WireWriter(wireType.KILL).u32(wireTag.PID, pid).u32(wireTag.SIGNAL, signal));
  }

  /** A socket made inside the sandbox's network namespace. */
  async socket(family: number, type: number): Promise<Fd> {
    const request = new WireWriter(wireType.SOCKET).u32(wireTag.FAMILY, family).u32(wireTag.SOCKTYPE, type);
    const { descriptors } = await this.#request(request);
    const fd = descriptors[0];
    if (fd === undefined) throw new Error("init's answer lacks the socket");
    return fd;
  }

  /** Closes descriptors that init kept for a program. */
  async release(held: readonly number[]): Promise<void> {
    const request = new WireWriter(wireType.RELEASE);
    for (const number of held) request.u32(wireTag.HELD, number);
    await this.#request(request);
  }

  #request(writer: WireWriter): Promise<WireReply> {
    return this.#channel.request(writer, shortDeadlineMs);
  }

  /** Kills init; the kernel ends everything in its process namespace with it. Idempotent. */
  kill(): void {
    if (this.#pidfd.isOpen) {
      signalProcess(this.#pidfd, SIGKILL);
      this.#pidfd.close();
    }
    this.#channel.close();
    this.#initGone();
  }

  [Symbol.dispose](): void {
    this.kill();
  }
}
