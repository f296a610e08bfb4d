/** The cgroup of one function: its limit, its standstill, its counters and its end. */
import { OpenValue, readKey, readPids, readValue, writeValue } from "./cgroup-files.ts";
import type { MemoryControl } from "./cgroup-memory.ts";
import { removeWithin, tryRemove } from "./cgroup-removal.ts";

export interface CgroupLimits {
  /** `null`: without limit. */
  readonly memoryLimitBytes: number | null;
}

/** Every method is a few reads or writes of small files, below 0.1 ms, unless it says otherwise. */
export class FunctionCgroup {
  readonly id: string;
  /** Its folder in the v2 hierarchy. */
  readonly path: string;
  /** Its folders in all hierarchies used, v2 first. */
  readonly paths: readonly string[];
  /**
   * `cgroup.procs` files a process must write itself into, v2 first. The first write after a quiet moment takes 11 ms
   * (16 at p95): the kernel waits for an RCU grace period (cgroup_threadgroup_rwsem); those right after it 0.05 ms. A
   * process made by clone3 with CLONE_INTO_CGROUP is in its v2 cgroup in 0.14 ms, but v1 knows no such thing.
   */
  readonly procsFiles: readonly string[];
  /**
   * `cgroup.events`: EPOLLPRI on it means that `populated` or `frozen` changed. It stays readable (kernfs answers
   * EPOLLIN always) and raises EPOLLPRI again only after it was read anew from its beginning.
   */
  readonly eventsFile: string;
  readonly #memory: MemoryControl;
  /** `cgroup.freeze`, from a standstill to its end: a client waits for that, and looking the file up takes longer than the write. */
  #frozen: OpenValue | null = null;

  constructor(id: string, paths: readonly [string, ...string[]], memory: MemoryControl) {
    this.id = id;
    this.path = paths[0];
    this.paths = paths;
    this.procsFiles = paths.map((path) => `${path}/cgroup.procs`);
    this.eventsFile = `${this.path}/cgroup.events`;
    this.#memory = memory;
  }

  /** @throws AetherError AE_SANDBOX_SETUP_FAILED where the machine cannot keep a limit */
  setLimits(limits: CgroupLimits): void {
    this.#memory.setLimit(limits.memoryLimitBytes);
  }

  /** Whether its memory may go to swap although it has a limit: while it is frozen, its limit needs no help. */
  allowSwap(allowed: boolean): void {
    this.#memory.allowSwap(allowed);
  }

  /** Orders the standstill; it is reached when `isFrozen()` says so, at most a few ms later (epoll `eventsFile`). */
  freeze(): void {
    const path = `${this.path}/cgroup.freeze`;
    this.#frozen ??= new OpenValue(path);
    this.#frozen.write("1", `${this.id} cannot be frozen`);
  }

  /** Lets all processes go on. A cgroup that is gone already is none to thaw. */
  thaw(): void {
    const path = `${this.path}/cgroup.freeze`;
    const what = `${this.id} cannot be thawed`;
    using file = this.#frozen;
    this.#frozen = null;
    if (file !== null) file.write("0", what);
    else if (readValue(path) !== null) writeValue(path, "0", what);
  }

  /** Whether every process stands still. An empty cgroup is frozen as soon as it is told to be. */
  isFrozen(): boolean {
    return readKey(this.eventsFile, "frozen") === 1;
  }

  /** Whether a process is in it or below it; zombies do not count. */
  isPopulated(): boolean {
    return readKey(this.eventsFile, "populated") === 1;
  }

  /** Host process ids, in no order; init and CRIU workers of the sandbox are among them. */
  pids(): number[] {
    return readPids(`${this.path}/cgroup.procs`);
  }

  /** `null` where no memory controller counts. */
  memoryBytes(): number | null {
    return this.#memory.usage();
  }

  /** Processor time of all processes that are or were in it; v2 counts it without any controller. */
  cpuMs(): number {
    return (readKey(`${this.path}/cpu.stat`, "usage_usec") ?? 0) / 1000;
  }

  /** Processes the kernel killed at the memory limit so far; compare with the figure at start. */
  oomKills(): number {
    return this.#memory.oomKills();
  }

  /** Ends every process in it and below it, frozen ones too, in one step that no fork escapes (cgroup.kill, Linux 5.14). */
  kill(): void {
    if (readValue(this.eventsFile) === null) return;
    writeValue(`${this.path}/cgroup.kill`, "1", `processes of ${this.id} cannot be ended`);
  }

  /** One try in every hierarchy. Returns whether all are gone. */
  tryRemove(): boolean {
    return this.paths.map((path) => tryRemove(path)).every(Boolean);
  }

  /** Ends what is in it, then removes it; the thread waits up to `timeoutMs` for the last process to be gone. */
  remove(timeoutMs: number): boolean {
    if (this.tryRemove()) return true;
    this.kill();
    const end = performance.now() + timeoutMs;
    return this.paths.map((path) => removeWithin(path, end - performance.now())).every(Boolean);
  }
}
