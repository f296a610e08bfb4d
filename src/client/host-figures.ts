/** The machine as the system view shows it: live numbers from /proc and the file system of the snapshots, a second apart. */
import { readFile, statfs } from "node:fs/promises";
import { cpus, release } from "node:os";

export const hostIntervalMs = 1_000;
const kept = 60;

export interface HostFacts {
  /** As "Debian GNU/Linux 12". */
  readonly os: string;
  readonly kernel: string;
  readonly processor: string;
  readonly cores: number;
  /** "none" on bare metal, else the hypervisor or container where that is known. */
  readonly virtual: string | null;
}

export interface HostFigures {
  readonly atMs: number;
  /** Of all processors together, 0 to 100, oldest first. */
  readonly cpuPercent: readonly number[];
  readonly cores: number;
  readonly load: readonly [number, number, number] | null;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number } | null;
  readonly swap: { readonly totalBytes: number; readonly freeBytes: number } | null;
  /** Where snapshots lie; `null` where it cannot be asked. */
  readonly storage: { readonly path: string; readonly totalBytes: number; readonly freeBytes: number } | null;
  /** `null` until they are known: asking takes a moment. */
  readonly facts: HostFacts | null;
}

interface Times {
  readonly busy: number;
  readonly all: number;
}

/** The line "cpu" of /proc/stat (proc_stat(5)): idle and iowait are the fourth and fifth figure. */
export function parseCpuTimes(text: string): Times | null {
  const figures = /^cpu +(.+)$/m.exec(text)?.[1]?.trim().split(/ +/).map(Number);
  if (figures === undefined || figures.length < 5 || figures.some((value) => !Number.isFinite(value)))
    return null;
  // guest and guest_nice are part of user and nice already.
  const all = figures.slice(0, 8).reduce((sum, value) => sum + value, 0);
  return { all, busy: all - (figures[3] ?? 0) - (figures[4] ?? 0) };
}

/** A figure of /proc/meminfo, in bytes. */
export function parseMemory(text: string, name: string): number | null {
  const found = new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(text)?.[1];
  return found === undefined ? null : Number(found) * 1024;
}

/** A file of /proc; `null` where it may not be read. */
const readProc = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

async function readFacts(): Promise<HostFacts> {
  // Loaded when somebody looks: it is large, and only these facts are taken from it.
  const { osInfo, system } = await import("systeminformation");
  const [os, machine] = await Promise.all([osInfo(), system()]);
  const processors = cpus();
  const virtual = machine.virtual ? machine.virtualHost || "yes" : null;
  return {
    os: `${os.distro} ${os.release}`.trim(),
    kernel: release(),
    processor: processors[0]?.model ?? "unknown",
    cores: processors.length,
    virtual,
  };
}

/** Looks once a second while it is open. */
export class HostSampler implements Disposable {
  readonly #snapshotDir: string;
  readonly #deliver: (figures: HostFigures) => void;
  readonly #timer: NodeJS.Timeout;
  #isOpen = true;
  #isLooking = false;
  #times: Times | null = null;
  #cpuPercent: readonly number[] = [];
  #facts: HostFacts | null = null;

  constructor(snapshotDir: string, deliver: (figures: HostFigures) => void) {
    this.#snapshotDir = snapshotDir;
    this.#deliver = deliver;
    this.#timer = setInterval(() => void this.#look(), hostIntervalMs);
    this.#timer.unref();
    void this.#look();
    // Facts that cannot be had are left out.
    void readFacts().then(
      (facts) => (this.#facts = facts),
      () => undefined,
    );
  }

  async #look(): Promise<void> {
    // A file system that hangs must not gather looks.
    if (this.#isLooking) return;
    this.#isLooking = true;
    const [stat, memory, load, storage] = await Promise.all([
      readProc("/proc/stat"),
      readProc("/proc/meminfo"),
      readProc("/proc/loadavg"),
      statfs(this.#snapshotDir).catch(() => null),
    ]);
    this.#isLooking = false;
    if (!this.#isOpen) return;
    const times = parseCpuTimes(stat);
    const before = this.#times;
    this.#times = times;
    if (times !== null && before !== null && times.all > before.all) {
      const percent = (100 * (times.busy - before.busy)) / (times.all - before.all);
      this.#cpuPercent = [...this.#cpuPercent, Math.max(0, percent)].slice(-kept);
    }
    const loads = load.split(" ").slice(0, 3).map(Number);
    const [one, five, fifteen] = loads;
    const pair = (total: string, free: string): readonly [number, number] | null => {
      const all = parseMemory(memory, total);
      const left = parseMemory(memory, free);
      return all === null || left === null ? null : [all, left];
    };
    const main = pair("MemTotal", "MemAvailable");
    const swap = pair("SwapTotal", "SwapFree");
    this.#deliver({
      atMs: Date.now(),
      cpuPercent: this.#cpuPercent,
      cores: cpus().length,
      load:
        one === undefined || five === undefined || fifteen === undefined || loads.some(Number.isNaN)
          ? null
          : [one, five, fifteen],
      memory: main === null ? null : { totalBytes: main[0], availableBytes: main[1] },
      swap: swap === null ? null : { totalBytes: swap[0], freeBytes: swap[1] },
      storage:
        storage === null
          ? null
          : {
              path: this.#snapshotDir,
              totalBytes: storage.blocks * storage.bsize,
              freeBytes: storage.bavail * storage.bsize,
            },
      facts: this.#facts,
    });
  }

  [Symbol.dispose](): void {
    this.#isOpen = false;
    clearInterval(this.#timer);
  }
}
