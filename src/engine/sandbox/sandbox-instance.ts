/** A running function: the processes of one sandbox, seen as an instance. */
import { constants } from "node:os";
import { epollPri } from "../../ffi/epoll.ts";
import { openForReading } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import { listenAddress } from "../../ffi/socket.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import { openProcess, takeDescriptor } from "../../ffi/pidfd.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { BodyEncoding } from "../../protocol/invocations.ts";
import type {
  Instance,
  InstanceExit,
  InstanceStats,
  KnownPlace,
  ReclaimResult,
  TakenListener,
} from "../lifecycle/driver.ts";
import type { InstanceRing } from "../ipc/instance-ring.ts";
import type { InvocationAnswer } from "../ipc/ring-invoker.ts";
import type { FunctionCgroup } from "./cgroups.ts";
import type { SandboxContext } from "./context.ts";
import {
  countOpenConnections,
  isEntrance,
  listeningPortsOf,
  takeConnections,
  takeEntrances,
  takePlacedEntrances,
} from "./listeners.ts";
import type { FunctionPort } from "./listeners.ts";
import type { OutputPipes } from "./output.ts";
import { descendants, hostPidOf, innerPid, onlyChild } from "./process-tree.ts";
import { reclaimMemory } from "./reclaim.ts";
import type { ExitStatus, Sandbox } from "./sandbox.ts";

const freezeDeadlineMs = 5_000;
const SIGCONT = constants.signals.SIGCONT;

const signalNames = new Map<number, string>(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
);

export interface SandboxInstanceParts {
  readonly id: string;
  readonly functionId: string;
  readonly where: FunctionPort;
  readonly sandbox: Sandbox;
  readonly pipes: OutputPipes;
  readonly cgroup: FunctionCgroup;
  /** Process id of the function's first process inside the sandbox. */
  readonly rootPid: number;
  /** Host process id of it, where that is known; `null`: it is looked up when it is first asked for. */
  readonly pid?: number | null;
  /** Its rings; `null` where it has none. They end with it. */
  readonly ring: InstanceRing | null;
  /** The heap file of the image it was restored from; `null` where there is none. */
  readonly heapFile: string | null;
  /** Host process id of the CRIU that restored it, which may still be there; `null` after a cold start. */
  readonly helperPid: number | null;
  /** Kills at the memory limit before its first instruction: it may be killed before it is an instance. */
  readonly oomKills: number;
}

export class SandboxInstance implements Instance {
  readonly id: string;
  #pid: number | null = null;
  readonly rootPid: number;
  readonly startedAtMs: number;
  readonly exited: Promise<InstanceExit>;
  readonly sandbox: Sandbox;
  readonly pipes: OutputPipes;
  readonly heapFile: string | null;
  readonly helperPid: number | null;
  readonly ring: InstanceRing | null;
  readonly #context: SandboxContext;
  readonly #cgroup: FunctionCgroup;
  readonly #functionId: string;
  readonly #where: FunctionPort;
  /** Process ids inside the sandbox that are ours: a CRIU worker at its dump. */
  readonly helpers = new Set<number>();
  #reclaiming: AbortController | null = null;

  constructor(context: SandboxContext, parts: SandboxInstanceParts) {
    this.#context = context;
    this.id = parts.id;
    this.#functionId = parts.functionId;
    this.#where = parts.where;
    this.sandbox = parts.sandbox;
    this.pipes = parts.pipes;
    this.heapFile = parts.heapFile;
    this.helperPid = parts.helperPid;
    this.ring = parts.ring;
    this.#cgroup = parts.cgroup;
    this.rootPid = parts.rootPid;
    this.#pid = parts.pid ?? null;
    this.startedAtMs = context.now();
    this.exited = parts.sandbox.exitOf(parts.rootPid).then((status) => this.#ended(status, parts.oomKills));
  }

  /** Looked up when it is first asked for: a restore hands over its clients before anybody wants to know. */
  get pid(): number {
    this.#pid ??= hostPidOf(this.sandbox.initPid, this.rootPid);
    return this.#pid ?? 0;
  }

  /** The first process is gone: what it left behind in the sandbox ends with it, and its last output is read. */
  #ended(status: ExitStatus, oomBefore: number): InstanceExit {
    // A process that joins a frozen cgroup stands still before its first instruction: the next instance would.
    this.#cgroup.thaw();
    this.sandbox.kill();
    this.ring?.ended(crashed(this.#functionId, status));
    this.pipes.drain();
    return {
      pid: this.pid,
      exitCode: status.exitCode,
      signal: status.signal === null ? null : (signalNames.get(status.signal) ?? `signal ${status.signal}`),
      outOfMemory: status.signal === constants.signals.SIGKILL && this.#cgroup.oomKills() > oomBefore,
    };
  }

  /** Host process ids of the function, without our helpers. */
  pids(): number[] {
    const all = descendants(this.sandbox.initPid);
    return this.helpers.size === 0 ? all : all.filter((pid) => !this.helpers.has(innerPid(pid) ?? 0));
  }

  /** Ports on which it listens. */
  listeningPorts(): number[] {
    return listeningPortsOf(this.pids(), this.#where);
  }

  /** Whether its first process itself has the listening socket of a port, and not a child alone. */
  firstProcessListens(port: number): boolean {
    return listeningPortsOf([this.pid], this.#where).includes(port);
  }

  /** Where it listens on a port. */
  listenAddresses(port: number): ListenAddress[] {
    using cleanup = new DisposableStack();
    const taken = takeEntrances(this.pids(), this.#where);
    for (const { fd } of taken) cleanup.use(fd);
    return taken.filter((listener) => listener.port === port).map(({ fd }) => listenAddress(fd));
  }

  takeListeners(known: readonly KnownPlace[] = []): TakenListener[] {
    const found = this.#retake(known);
    // Known from here on: when the process has ended it is too late to ask.
    this.#pid ??= hostPidOf(this.sandbox.initPid, this.rootPid);
    if (found !== null) return found;
    return takePlacedEntrances(this.pids(), this.#where);
  }

  /** Descriptor numbers are the same after a restore: looking there first saves the search on the wake path. */
  #retake(known: readonly KnownPlace[]): TakenListener[] | null {
    if (known.length === 0) return null;
    const pids = this.#pidsOf(known);
    const taken: TakenListener[] = [];
    for (const { port, at } of known) {
      const pid = pids.get(at.pid);
      using process = pid === undefined ? null : openProcess(pid);
      const fd = process === null ? null : takeDescriptor(process, at.fd);
      const address = fd !== null && isEntrance(fd, this.#where) ? listenAddress(fd) : null;
      if (fd !== null && address?.port === port) {
        taken.push({ port, address, fd, at });
        continue;
      }
      for (const one of [fd, ...taken.map((entry) => entry.fd)]) one?.close();
      return null;
    }
    return taken;
  }

  /** Host process ids by those inside. The root process alone is found with one look: it is init's only new child. */
  #pidsOf(known: readonly KnownPlace[]): ReadonlyMap<number | null, number> {
    if (known.every(({ at }) => at.pid === this.rootPid)) {
      this.#pid ??=
        onlyChild(this.sandbox.initPid, this.helperPid) ?? hostPidOf(this.sandbox.initPid, this.rootPid);
      return new Map(this.#pid === null ? [] : [[this.rootPid, this.#pid]]);
    }
    return new Map(this.pids().map((pid) => [innerPid(pid), pid]));
  }

  /** Events over the ring count as connections: somebody waits for each. */
  openConnections(): number {
    return countOpenConnections(this.pids()) + this.eventsUnderWay;
  }

  get eventsUnderWay(): number {
    return this.ring?.invoker.pending ?? 0;
  }

  invoke(body: Uint8Array, encoding: BodyEncoding, timeoutMs: number): Promise<InvocationAnswer> | null {
    return this.ring?.servesEvents === true ? this.ring.invoker.invoke(body, encoding, timeoutMs) : null;
  }

  takeConnections(): Fd[] {
    return takeConnections(this.pids());
  }

  async suspend(): Promise<void> {
    this.#cgroup.freeze();
    if (this.#cgroup.isFrozen()) return;
    // cgroup.events raises POLLPRI when it changes (cgroup-v2.rst, "cgroup.freeze").
    using events = openForReading(this.#cgroup.eventsFile);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), freezeDeadlineMs);
    this.#context.epoll.add(events, epollPri, () => {
      events.rewind();
      if (this.#cgroup.isFrozen()) resolve(true);
    });
    const frozen = this.#cgroup.isFrozen() || (await promise);
    clearTimeout(timer);
    this.#context.epoll.remove(events);
    if (frozen) return;
    this.#cgroup.thaw();
    throw new AetherError(
      "AE_SANDBOX_SETUP_FAILED",
      `${this.#functionId}: the function could not be frozen`,
      {
        why: `a process did not stand still within ${freezeDeadlineMs} ms`,
        hint: "A process in an uninterruptible system call (a hung disk or network file system) cannot be frozen.",
        data: { function: this.#functionId },
      },
    );
  }

  resume(): void {
    this.#reclaiming?.abort();
    this.#cgroup.thaw();
  }

  async reclaim(): Promise<ReclaimResult> {
    const reclaiming = new AbortController();
    this.#reclaiming = reclaiming;
    this.#cgroup.allowSwap(true);
    try {
      return await reclaimMemory(this.#functionId, this.pids(), reclaiming.signal);
    } finally {
      // What is in swap stays there until it is touched.
      if (this.#reclaiming === reclaiming) this.#cgroup.allowSwap(false);
    }
  }

  /** Lets every process go on that a dump left stopped. */
  async continueAfterDump(): Promise<void> {
    await this.sandbox.signal(-1, SIGCONT);
  }

  async stop(signal: string, timeoutMs: number): Promise<void> {
    const number =
      Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? constants.signals.SIGTERM;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    try {
      await this.sandbox.signal(this.rootPid, number);
      // One that stands still gets the signal before it goes on.
      this.#cgroup.thaw();
      await Promise.race([this.exited, deadline]);
    } catch {
      // Init is gone already; the kill below waits for the rest.
    } finally {
      clearTimeout(timer);
    }
    await this.kill();
  }

  async kill(): Promise<void> {
    this.#reclaiming?.abort();
    this.sandbox.kill();
    // A frozen process dies of SIGKILL in v2, but only a thawed cgroup can be used again.
    this.#cgroup.thaw();
    await this.sandbox.gone;
    await this.exited;
  }

  stats(): InstanceStats {
    return {
      memoryBytes: this.#cgroup.memoryBytes(),
      cpuMs: this.#cgroup.cpuMs(),
      ring: this.ring?.usage ?? null,
    };
  }
}

/** What an invocation is told whose instance ended under it. */
function crashed(functionId: string, status: ExitStatus): AetherError {
  const how = status.signal === null ? `with code ${status.exitCode}` : `by signal ${status.signal}`;
  return new AetherError("AE_INVOKE_CRASHED", `${functionId}: it ended in the middle of an invocation`, {
    why: `its process ended ${how}`,
    hint: `Its last lines: \`aether logs ${functionId}\`.`,
    data: { function: functionId, exitCode: status.exitCode, signal: status.signal },
  });
}
