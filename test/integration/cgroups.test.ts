/** The engine's cgroups against the kernel of this machine. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineCgroups, leftoverCgroups } from "../../src/engine/sandbox/cgroups.ts";
import type { FunctionCgroup } from "../../src/engine/sandbox/cgroups.ts";
import { readHierarchy } from "../../src/engine/sandbox/cgroup-mounts.ts";
import type { CgroupHierarchy } from "../../src/engine/sandbox/cgroup-mounts.ts";
import { Epoll, epollPri } from "../../src/ffi/epoll.ts";
import { openForReading } from "../../src/ffi/fd.ts";
import { isAetherError } from "../../src/protocol/errors.ts";

const MiB = 1024 * 1024;
const hierarchy = readHierarchy();
const missing =
  process.getuid?.() !== 0 ? "no root" : hierarchy.v2?.writable === true ? null : "no cgroup v2 to write to";
const noLimit = { memoryLimitBytes: null };

/** Waits for a line, so that it can join its cgroups before it does anything. */
const waiting = (program: string): string => `import sys; sys.stdin.readline()\n${program}`;

describe.skipIf(missing !== null)(`cgroups${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  const name = `aether-test-cg-${process.pid}`;
  let cgroups: EngineCgroups;
  const children: ChildProcess[] = [];

  /** Runs Python inside the function's cgroups. */
  function start(cgroup: FunctionCgroup, program: string): ChildProcess {
    const child = spawn("python3", ["-c", waiting(program)], { stdio: ["pipe", "ignore", "inherit"] });
    children.push(child);
    for (const file of cgroup.procsFiles) writeFileSync(file, String(child.pid));
    child.stdin?.write("go\n");
    return child;
  }

  const end = (child: ChildProcess): Promise<NodeJS.Signals | number | null> =>
    child.exitCode === null && child.signalCode === null
      ? new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)))
      : Promise.resolve(child.exitCode ?? child.signalCode);

  beforeEach(() => {
    cgroups = EngineCgroups.create(name);
  });

  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.splice(0).map(end));
    expect(cgroups.remove()).toBe(true);
    expect(leftoverCgroups(name, hierarchy)).toEqual([]);
  });

  it("stand in every hierarchy in use, with what a process has to join", () => {
    const cgroup = cgroups.createFunction("one", noLimit);
    expect(cgroups.root).toBe(`${hierarchy.v2?.path}/${name}`);
    expect(cgroup.path).toBe(`${cgroups.root}/fn-one`);
    expect(cgroup.procsFiles.every((file) => existsSync(file))).toBe(true);
    expect(cgroup.procsFiles).toHaveLength(cgroups.paths.length);
    expect(cgroup).toMatchObject({ id: "one", eventsFile: `${cgroup.path}/cgroup.events` });
    expect([cgroup.pids(), cgroup.isPopulated(), cgroup.isFrozen()]).toEqual([[], false, false]);
    expect(cgroup.oomKills()).toBe(0);
  });

  it("count processes, memory and processor time", async () => {
    const cgroup = cgroups.createFunction("one", noLimit);
    const child = start(cgroup, "x = bytearray(32 * 1024 * 1024)\nwhile True: pass");
    await expect.poll(() => cgroup.memoryBytes()).toBeGreaterThan(32 * MiB);
    await expect.poll(() => cgroup.cpuMs()).toBeGreaterThan(20);
    expect(cgroup.pids()).toEqual([child.pid]);
    expect(cgroup.isPopulated()).toBe(true);
  });

  it("freeze and thaw: the end of each step is told by cgroup.events", async () => {
    const cgroup = cgroups.createFunction("one", noLimit);
    start(cgroup, "while True: pass");
    await expect.poll(() => cgroup.cpuMs()).toBeGreaterThan(50);
    using epoll = new Epoll((error) => {
      throw error;
    });
    using events = openForReading(cgroup.eventsFile);
    const change = (): Promise<void> =>
      new Promise((resolve) => {
        events.rewind();
        events.read(new Uint8Array(256));
        epoll.add(events, epollPri, () => {
          epoll.remove(events);
          resolve();
        });
      });
    let changed = change();
    cgroup.freeze();
    await changed;
    expect(cgroup.isFrozen()).toBe(true);
    const still = cgroup.cpuMs();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(cgroup.cpuMs()).toBe(still);
    changed = change();
    cgroup.thaw();
    await changed;
    expect(cgroup.isFrozen()).toBe(false);
    await expect.poll(() => cgroup.cpuMs()).toBeGreaterThan(still);
  });

  it("tell a death at the memory limit from another", async () => {
    const cgroup = cgroups.createFunction("one", { memoryLimitBytes: 32 * MiB });
    const modest = start(cgroup, "import time; x = bytearray(8 * 1024 * 1024); time.sleep(60)");
    await expect.poll(() => cgroup.memoryBytes()).toBeGreaterThan(8 * MiB);
    modest.kill("SIGKILL");
    expect(await end(modest)).toBe("SIGKILL");
    expect(cgroup.oomKills()).toBe(0);
    expect(await end(start(cgroup, "x = bytearray(256 * 1024 * 1024)"))).toBe("SIGKILL");
    expect(cgroup.oomKills()).toBe(1);
    // More, less and none again, while it exists.
    for (const memoryLimitBytes of [512 * MiB, 64 * MiB, null]) cgroup.setLimits({ memoryLimitBytes });
    expect(await end(start(cgroup, "x = bytearray(256 * 1024 * 1024)"))).toBe(0);
    expect(cgroup.oomKills()).toBe(1);
  });

  it("end every process, frozen or in a cgroup of its own below, and go", async () => {
    const cgroup = cgroups.createFunction("one", noLimit);
    const plain = start(cgroup, "import time; time.sleep(60)");
    const nested = start(cgroup, "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)");
    mkdirSync(`${cgroup.path}/own`);
    writeFileSync(`${cgroup.path}/own/cgroup.procs`, String(nested.pid));
    cgroup.freeze();
    await expect.poll(() => cgroup.isFrozen()).toBe(true);
    expect(cgroup.tryRemove()).toBe(false);
    expect(cgroups.removeFunction("one")).toBe(true);
    expect(await end(plain)).toBe("SIGKILL");
    expect(await end(nested)).toBe("SIGKILL");
    for (const path of cgroup.paths) expect(existsSync(path)).toBe(false);
    // Late calls meet nothing and do no harm: a stop may overtake a wake.
    cgroup.thaw();
    cgroup.kill();
    expect([cgroup.isFrozen(), cgroup.pids(), cgroup.oomKills(), cgroup.cpuMs()]).toEqual([false, [], 0, 0]);
    expect(cgroup.memoryBytes()).toBeNull();
    expect(cgroups.removeFunction("one")).toBe(true);
  });

  it("made again under the same id begin at zero", async () => {
    const first = cgroups.createFunction("one", { memoryLimitBytes: 32 * MiB });
    await end(start(first, "x = bytearray(256 * 1024 * 1024)"));
    expect(first.oomKills()).toBe(1);
    start(first, "import time; time.sleep(60)");
    const second = cgroups.createFunction("one", { memoryLimitBytes: 32 * MiB });
    expect([second.oomKills(), second.pids()]).toEqual([0, []]);
  });

  it("of a killed engine are listed, ended and removed by the next one, and no others", async () => {
    const neighbour = `${hierarchy.v2?.path}/${name}-other`;
    mkdirSync(neighbour);
    try {
      const child = start(cgroups.createFunction("one", noLimit), "import time; time.sleep(60)");
      const found = leftoverCgroups(name, hierarchy);
      expect(found.map(({ path }) => path)).toContain(`${cgroups.root}/fn-one`);
      expect(found.flatMap(({ pids }) => pids)).toContain(child.pid);
      cgroups = EngineCgroups.create(name);
      expect(await end(child)).toBe("SIGKILL");
      expect(
        readdirSync(cgroups.root, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
      ).toEqual([]);
      expect(existsSync(neighbour)).toBe(true);
    } finally {
      rmdirSync(neighbour);
    }
  });

  describe("what a machine cannot do is said", () => {
    function failure(act: () => unknown): { code: string; hint: string | null } {
      try {
        act();
      } catch (error) {
        if (isAetherError(error)) return error;
        throw error;
      }
      throw new Error("it did not fail");
    }

    it("no v2 hierarchy", () => {
      const none: CgroupHierarchy = { ...hierarchy, v2: null };
      expect(failure(() => EngineCgroups.create(`${name}-none`, none))).toMatchObject({
        code: "AE_SANDBOX_SETUP_FAILED",
        hint: expect.stringContaining("mount -t cgroup2"),
      });
    });

    it("a limit without a memory controller; without a limit the function runs", () => {
      const poor: CgroupHierarchy = {
        ...hierarchy,
        v2Controllers: [],
        v1: { ...hierarchy.v1, memory: null },
      };
      const engine = EngineCgroups.create(`${name}-poor`, poor);
      try {
        expect(engine.memoryProblem).toContain("no memory controller");
        expect(failure(() => engine.createFunction("one", { memoryLimitBytes: 64 * MiB })).code).toBe(
          "AE_SANDBOX_SETUP_FAILED",
        );
        expect(existsSync(`${engine.root}/fn-one`)).toBe(false);
        expect(engine.createFunction("one", noLimit).memoryBytes()).toBeNull();
      } finally {
        expect(engine.remove()).toBe(true);
      }
    });

    it("a hierarchy that cannot be written to", () => {
      const elsewhere: CgroupHierarchy = { ...hierarchy, v2: { path: "/proc", writable: false } };
      const error = failure(() => EngineCgroups.create(`${name}-ro`, elsewhere));
      expect(error.code).toBe("AE_SANDBOX_SETUP_FAILED");
    });

    it("a name that would leave the folder is a defect", () => {
      expect(failure(() => cgroups.createFunction("../x", noLimit)).code).toBe("AE_INTERNAL");
    });
  });

  it("are found where this process's own table says", () => {
    const table = readFileSync("/proc/self/mountinfo", "utf8");
    expect(table).toContain(hierarchy.v2?.path ?? "no v2");
  });
});
