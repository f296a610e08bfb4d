/** What a function sees of the world, keeps of it across its sleep, and what it says. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { fixture, TestEngine } from "../helpers/engine.ts";
import { ask, errorOf, errorsOf, outputLines, processesOf, python, until } from "../helpers/observe.ts";

interface Facts {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly capabilities: Readonly<Record<"CapInh" | "CapPrm" | "CapEff" | "CapBnd" | "CapAmb", number>>;
  readonly noNewPrivs: number;
  readonly ioUring: string;
  readonly devices: readonly string[];
  readonly tmp: readonly string[];
  readonly sharedMemory: readonly string[];
  readonly descriptors: Readonly<Record<string, string | null>>;
  readonly processes: readonly { readonly pid: number; readonly name: string; readonly state: string }[];
  readonly hostname: string;
}

/** CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE, SYS_CHROOT (capability.h). */
const kept = [0, 1, 3, 4, 5, 6, 7, 10, 18].reduce((mask, bit) => mask + 2 ** bit, 0);

/** Capabilities of this process: what "all of them" is on this machine. */
function ownCapabilities(): number {
  return Number.parseInt(/^CapEff:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "", 16);
}

describe("a function in its sandbox", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};

  beforeAll(async () => {
    process.env["SECRET_OF_THE_SHELL"] = "not for functions";
    const functions = [
      await python("plain", "probe", { env: { DECLARED: "a value", HOME: "/elsewhere" } }),
      await python("privileged", "probe", { privileged: true }),
      await python("user", "probe", {
        user: "nobody",
      }),
      await python("limited", "memory-hog", { memory_limit: "64MiB", env: { MEGABYTES: 40 } }),
      await python("exits", "probe"),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = port;
    // A sleeping function has no process of its own then, and none is counted.
    engine = await TestEngine.start({ functions, engine: { restore_ahead: "never" } });
    delete process.env["SECRET_OF_THE_SHELL"];
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  const facts = (id: string): Promise<Facts> => ask<Facts>(ports[id] ?? 0, "/");
  const port = (id: string): number => ports[id] ?? 0;

  /** To sleep; the next question wakes it. */
  const sleep = async (id: string): Promise<void> => {
    expect((await engine.action(id, "snapshot")).function.state).toBe("WarmSnapshot");
    // The CRIU worker that waits; the one that restored it takes a moment to end.
    await until(() => processesOf(engine, id).length <= 1, "no process but a waiting worker");
  };

  describe("sees", () => {
    it("its own processes alone, itself as number 100", async () => {
      const { pid, parent } = await facts("plain");
      expect(pid).toBe(100);
      expect(parent).toBe(1);
      // The CRIU worker that restored it takes a moment to end.
      const seen = async (): Promise<string> =>
        (await facts("plain")).processes
          .map(({ pid }) => pid)
          .toSorted((a, b) => a - b)
          .join(" ");
      await until(async () => (await seen()) === "1 100", "nothing but init and itself");
    });

    it("the same after a sleep", async () => {
      const before = await facts("plain");
      await sleep("plain");
      const after = await facts("plain");
      // Descriptor numbers and the connection's inode are of the moment.
      expect({ ...after, descriptors: {}, processes: [] }).toEqual({
        ...before,
        descriptors: {},
        processes: [],
      });
      expect(after.processes.filter(({ name }) => name.startsWith("python"))).toHaveLength(1);
      expect(Object.keys(after.descriptors)).toEqual(Object.keys(before.descriptors));
    });

    it("the harmless devices, and can use them", async () => {
      const { devices } = await facts("plain");
      expect(devices).toEqual(
        expect.arrayContaining([
          "fd",
          "full",
          "null",
          "ptmx",
          "pts",
          "random",
          "shm",
          "stderr",
          "stdin",
          "stdout",
          "tty",
          "urandom",
          "zero",
        ]),
      );
      for (const name of ["kmsg", "mem", "vda", "sda", "loop-control", "fuse", "kvm"])
        expect(devices).not.toContain(name);
      expect(await ask(port("plain"), "/use")).toEqual({ null: 0, zero: 4, full: 4, random: 4, urandom: 4 });
    });

    it("no descriptor of the engine", async () => {
      const { descriptors } = await facts("plain");
      const targets = Object.values(descriptors).filter((target) => target !== null);
      expect(targets.filter((target) => target.startsWith("pipe:"))).toHaveLength(2);
      // Listener and this connection.
      expect(targets.filter((target) => target.startsWith("socket:"))).toHaveLength(2);
      expect(targets.filter((target) => target.startsWith("anon_inode"))).toEqual([]);
      expect(descriptors["0"]).toBe("/dev/null");
    });

    it("declared environment and the few of the engine's", async () => {
      const { environment, cwd } = await facts("plain");
      expect(environment).toMatchObject({
        DECLARED: "a value",
        HOME: "/elsewhere",
        AETHER_FUNCTION_ID: "plain",
        AETHER_TRIGGER_PORT: String(port("plain")),
      });
      const allowed = new Set([
        "PATH",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "HOME",
        "DECLARED",
        "AETHER_FUNCTION_ID",
        "AETHER_TRIGGER_PORT",
        "AETHER_SOCKET",
      ]);
      expect(Object.keys(environment).filter((name) => !allowed.has(name))).toEqual([]);
      expect(cwd).toBe(fixture("probe"));
      expect(JSON.stringify(await engine.function("plain"))).not.toContain("a value");
    });

    it("few capabilities, no way to more, and no io_uring", async () => {
      const { capabilities, noNewPrivs, ioUring, uid } = await facts("plain");
      expect(uid).toBe(0);
      expect(capabilities).toEqual({ CapInh: 0, CapPrm: kept, CapEff: kept, CapBnd: kept, CapAmb: 0 });
      expect(noNewPrivs).toBe(1);
      expect(ioUring).toBe("ENOSYS");
    });

    it("all capabilities when privileged, and still no io_uring", async () => {
      const { capabilities, noNewPrivs, ioUring, devices, pid } = await facts("privileged");
      expect(capabilities.CapEff).toBe(ownCapabilities());
      expect(capabilities.CapBnd).toBe(ownCapabilities());
      expect(noNewPrivs).toBe(0);
      expect(ioUring).toBe("ENOSYS");
      expect(pid).toBe(100);
      expect(devices).toEqual(
        expect.arrayContaining(readdirSync("/dev").filter((name) => name === "kmsg" || name === "mem")),
      );
      await sleep("privileged");
      expect((await facts("privileged")).capabilities.CapEff).toBe(ownCapabilities());
    });

    it("its declared user, whose are its folders", async () => {
      const seen = await facts("user");
      expect(seen).toMatchObject({ uid: 65_534, gid: 65_534, noNewPrivs: 1, pid: 100 });
      expect(seen.groups.filter((group) => group !== 65_534)).toEqual([]);
      expect(seen.capabilities).toMatchObject({ CapEff: 0, CapPrm: 0, CapAmb: 0 });
      expect(await ask(port("user"), "/write", { path: "/tmp/own", text: "mine" })).toBe(4);
      expect(await ask(port("user"), "/write", { path: "/dev/shm/own", text: "mine" })).toBe(4);
      expect(await ask(port("user"), "/read", { path: "/etc/shadow" })).toEqual({ error: "EACCES" });
      for (const order of ["suspend", "snapshot"] as const) {
        await engine.action("user", order);
        expect(await facts("user")).toMatchObject({ uid: 65_534, gid: 65_534, noNewPrivs: 1, pid: 100 });
        expect((await facts("user")).capabilities.CapEff).toBe(0);
      }
    });
  });

  describe("keeps across its sleep", () => {
    it("files in a /tmp and a /dev/shm of its own", async () => {
      const id = "plain";
      for (const path of ["/tmp/note", "/dev/shm/note"])
        await ask(port(id), "/write", { path, text: `in ${path}` });
      expect(existsSync("/tmp/note")).toBe(false);
      expect(existsSync("/dev/shm/note")).toBe(false);
      await sleep(id);
      for (const path of ["/tmp/note", "/dev/shm/note"])
        expect(await ask(port(id), "/read", { path })).toBe(`in ${path}`);
      // Another function has another one.
      expect(await ask(port("exits"), "/read", { path: "/tmp/note" })).toEqual({ error: "ENOENT" });
      expect(await ask(port("exits"), "/read", { path: "/dev/shm/note" })).toEqual({ error: "ENOENT" });
    });

    it("open files, also one that has no name any more", async () => {
      const id = "plain";
      for (const path of ["/tmp/open", "/dev/shm/open", "/tmp/unlinked"]) {
        await ask(port(id), "/hold", { path });
        await ask(port(id), "/append", { path, text: "one " });
      }
      await ask(port(id), "/unlink", { path: "/tmp/unlinked" });
      for (const word of ["two ", "three "]) {
        await sleep(id);
        for (const path of ["/tmp/open", "/dev/shm/open", "/tmp/unlinked"])
          expect(await ask<string>(port(id), "/append", { path, text: word })).toContain(word);
      }
      expect(await ask(port(id), "/append", { path: "/tmp/unlinked", text: "" })).toBe("one two three ");
      expect(await ask(port(id), "/read", { path: "/tmp/open" })).toBe("one two three ");
    });

    it("pipes for what it prints", async () => {
      const id = "plain";
      for (let cycle = 0; cycle < 3; cycle++) {
        await ask(port(id), "/say", { out: `out ${cycle}`, err: `err ${cycle}` });
        await sleep(id);
      }
      await ask(port(id), "/say", { out: "last", err: "last error" });
      await until(async () => (await outputLines(engine, id)).length >= 8, "eight lines");
      expect(await outputLines(engine, id, "stdout")).toEqual(["out 0", "out 1", "out 2", "last"]);
      expect(await outputLines(engine, id, "stderr")).toEqual(["err 0", "err 1", "err 2", "last error"]);
    });
  });

  describe("with a memory limit of 64 MiB", () => {
    it("sleeps 20 times with 40 MiB touched, and 8 more on top of what Python needs", async () => {
      const id = "limited";
      const limitMiB = 64;
      for (let cycle = 1; cycle <= 20; cycle++) {
        expect((await get(port(id))).body.trim()).toBe(String(40 * 1024 * 1024));
        const [instance] = (await engine.function(id)).instances;
        expect(instance?.memoryBytes ?? 0).toBeLessThanOrEqual(limitMiB * 1024 * 1024);
        await sleep(id);
      }
      expect(errorsOf(engine, id)).toEqual([]);
      expect((await engine.function(id)).coldStarts).toBe(1);
    });

    it("is killed when it wants more, told so, and woken again from its snapshot", async () => {
      const id = "limited";
      const from = engine.events.length;
      await expect(get(port(id), "/more")).rejects.toThrow(/ECONNRESET|without an answer/);
      const error = await errorOf(engine, id, "AE_OUT_OF_MEMORY", from);
      expect(error.data).toMatchObject({ function: id, limitBytes: 64 * 1024 * 1024 });
      const exit = await engine.waitFor(
        (event) => event.type === "exit" && event.functionId === id,
        "exit",
        5_000,
        from,
      );
      expect(exit).toMatchObject({ signal: "SIGKILL", exitCode: null, expected: false });
      expect((await get(port(id))).body.trim()).toBe(String(40 * 1024 * 1024));
    });
  });

  describe("that ends", () => {
    const exit = async (path: string, query: Record<string, string>): Promise<unknown> => {
      await ask(port("exits"), "/");
      const [pid] = processesOf(engine, "exits", "python3");
      const from = engine.events.length;
      await expect(ask(port("exits"), path, query)).rejects.toThrow(/ECONNRESET|without an answer/);
      const event = await engine.waitFor(({ type }) => type === "exit", "the exit", 10_000, from);
      expect(event).toMatchObject({ functionId: "exits", pid, expected: false });
      return event;
    };

    it("is reported with its code or its signal, and its last lines are there", async () => {
      await ask(port("exits"), "/say", { out: "before the end" });
      expect(await exit("/leave", { code: "7" })).toMatchObject({ exitCode: 7, signal: null });
      expect(await outputLines(engine, "exits")).toContain("before the end");
      expect(await exit("/die", { signal: "9" })).toMatchObject({ exitCode: null, signal: "SIGKILL" });
      await until(async () => (await engine.function("exits")).exits === 2, "both to be counted");
    });

    it("leaves no process behind, and its orphans are reaped", async () => {
      const id = "plain";
      await ask(port(id), "/orphan");
      const own = async (): Promise<string[]> =>
        (await facts(id)).processes.filter(({ pid }) => pid > 100).map(({ state }) => state);
      await until(async () => (await own()).length === 0, "the orphan's end");
      expect((await facts(id)).processes.filter(({ state }) => state === "Z")).toEqual([]);
      await sleep(id);
      expect(await own()).toEqual([]);
    });
  });

  it("is the same on the host: no mount of a sandbox shows there", () => {
    const mounts = readFileSync("/proc/self/mounts", "utf8");
    expect(mounts).not.toContain(engine.name);
    expect(mounts).not.toContain("aether/handshake");
    expect(existsSync(join("/dev", "aether"))).toBe(false);
  });
});
