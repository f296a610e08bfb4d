/** Every way in which an engine, or a process it lives by, can end: nothing stays, and what follows works. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../src/protocol/events.ts";
import { get } from "../helpers/clients.ts";
import { aether, cli, eventually, start, startAether } from "../helpers/command-line.ts";
import type { Started } from "../helpers/command-line.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { childrenOf, processTree, stillThere } from "../helpers/processes.ts";
import type { ProcessMark } from "../helpers/processes.ts";

const never = { suspend_after: "never", snapshot_after: "never" };

async function counter(
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Declaration & { trigger_port: number }> {
  const trigger_port = await freePort();
  return {
    id,
    command: "/usr/bin/python3 handler.py",
    cwd: fixture("counter"),
    trigger_port,
    idle: never,
    ...more,
  };
}

/** Mounts of the host that name this engine. */
const mountsOf = (engine: TestEngine): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(engine.folder) || line.includes(engine.name));

/** Shared memory of this engine besides the folder a test gave it for its images. */
const sharedMemoryOf = (engine: TestEngine): string[] =>
  readdirSync("/dev/shm").filter((name) => name.includes(engine.name) && name !== `${engine.name}-images`);

/** Nothing of the engine is on the machine. `before` is its process tree of an earlier moment. */
function expectNothingLeft(engine: TestEngine, before: readonly ProcessMark[]): void {
  expect(stillThere(before)).toEqual([]);
  expect(engine.leftovers()).toEqual([]);
  expect(mountsOf(engine)).toEqual([]);
  expect(sharedMemoryOf(engine)).toEqual([]);
}

/** Nothing that runs: an engine that was killed leaves files to the next start, and no process or cgroup. */
async function expectNothingRuns(engine: TestEngine, before: readonly ProcessMark[]): Promise<void> {
  await eventually(
    () => stillThere(before),
    (left) => left.length === 0,
    "the end of every process",
    10_000,
  );
  const running = (): string[] =>
    engine.leftovers().filter((each) => each.startsWith("process") || each.startsWith("/sys"));
  await eventually(running, (left) => left.length === 0, "the end of processes and cgroups", 10_000);
  expect(mountsOf(engine)).toEqual([]);
  // The launcher removes files after the last cgroup.
  const shared = (): string[] => sharedMemoryOf(engine);
  await eventually(shared, (left) => left.length === 0, "the end of its shared memory", 10_000);
}

const treeOf = (engine: TestEngine): ProcessMark[] => processTree(engine.child.pid ?? 0);

const refused = async (port: number): Promise<string> => {
  try {
    await get(port);
    return "answered";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
};

/** An engine with one function running, one suspended and one asleep. */
async function threeTiers() {
  const functions = await Promise.all(["awake", "frozen", "asleep"].map((id) => counter(id)));
  const engine = await TestEngine.start({ functions });
  const [awake, frozen, asleep] = functions.map(({ trigger_port }) => trigger_port) as [
    number,
    number,
    number,
  ];
  await get(awake);
  await get(frozen);
  await engine.action("frozen", "suspend");
  return { engine, functions, ports: { awake, frozen, asleep } };
}

async function sealed(engine: TestEngine, id: string): Promise<string> {
  const folder = join(engine.snapshotRoot, id);
  const manifestOf = (): string | null => {
    const name = existsSync(folder)
      ? readdirSync(folder).find((each) => each.startsWith("image-"))
      : undefined;
    if (name === undefined) return null;
    const manifest = JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")) as {
      files: unknown[];
    };
    return manifest.files.length > 0 ? join(folder, name) : null;
  };
  const found = await eventually(manifestOf, (each) => each !== null, `${id} to be sealed`);
  return found ?? "";
}

const ofFunction = (events: readonly EngineEvent[], id: string): EngineEvent[] =>
  events.filter((event) => "functionId" in event && event.functionId === id);

/** Why images were refused. */
const refusals = (events: readonly EngineEvent[], id: string): string[] =>
  ofFunction(events, id).flatMap((event) =>
    event.type === "error" && event.error.code === "AE_SNAPSHOT_REFUSED" ? [event.error.why ?? ""] : [],
  );

describe("an ordered end", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s ends everything with exit code %i", async (signal, code) => {
    const { engine, ports } = await threeTiers();
    await using _ = engine;
    const before = treeOf(engine);
    expect(before.length).toBeGreaterThan(4);
    expect(await engine.stop(signal)).toEqual({ code, signal: null });
    expectNothingLeft(engine, before);
    for (const port of Object.values(ports)) expect(await refused(port)).toBe("ECONNREFUSED");
  });

  it("`down` ends everything with exit code 0", async () => {
    const { engine } = await threeTiers();
    await using _ = engine;
    const before = treeOf(engine);
    const down = await aether(["--engine", engine.name, "down"], { env: engine.env });
    expect(down).toMatchObject({ code: 0, stderr: "" });
    expect(await engine.exited).toEqual({ code: 0, signal: null });
    expectNothingLeft(engine, before);
  });

  it("a signal while functions are still being started", async () => {
    const functions = await Promise.all([1, 2, 3, 4].map((each) => counter(`f${each}`)));
    await using engine = await TestEngine.start({ functions, until: "started" });
    await eventually(
      () => treeOf(engine).filter(({ name }) => name === "python3").length,
      (count) => count > 0,
      "a function to start",
    );
    const before = treeOf(engine);
    expect((await engine.stop("SIGTERM")).code).toBe(143);
    expectNothingLeft(engine, before);
  });
});

/** Throws in the thread of this name, on SIGUSR2: a defect as it could be anywhere. */
const defect = (thread: string): string =>
  `--import=data:text/javascript,${encodeURIComponent(`
  import { BroadcastChannel, isMainThread, threadName } from "node:worker_threads";
  const channel = new BroadcastChannel("defect");
  channel.unref();
  const fail = () => setTimeout(() => { throw new Error("a defect in ${thread}"); }, 0);
  if (isMainThread) process.on("SIGUSR2", () => "${thread}" === "main" ? fail() : channel.postMessage(""));
  else if (threadName === "${thread}") channel.onmessage = fail;
`)}`;

describe("an end without order", () => {
  it.each(["SIGKILL", "SIGSEGV"] as const)(
    "%s of the engine: the launcher ends processes and cgroups",
    async (signal) => {
      const { engine, functions, ports } = await threeTiers();
      await using _ = engine;
      const before = treeOf(engine);
      engine.child.kill(signal);
      expect(await engine.exited).toEqual({ code: null, signal });
      await expectNothingRuns(engine, before);
      expect(existsSync(join(engine.folder, "run", engine.name, "control.sock"))).toBe(false);
      expect(await refused(ports.awake)).toBe("ECONNREFUSED");

      await using next = await TestEngine.start({ functions, after: engine });
      for (const port of Object.values(ports)) expect((await get(port)).body).toBe("1\n");
      const tree = treeOf(next);
      await next.stop();
      expectNothingLeft(next, tree);
    },
  );

  it.each(["main", "aether-engine", "aether-reactor"])("an uncaught error in thread %s", async (thread) => {
    const functions = [await counter("f")];
    process.env["NODE_OPTIONS"] = defect(thread);
    const started = TestEngine.start({ functions });
    await using engine = await started.finally(() => delete process.env["NODE_OPTIONS"]);
    const port = functions[0]?.trigger_port ?? 0;
    await get(port);
    const before = treeOf(engine);
    engine.child.kill("SIGUSR2");
    // Not by a signal: ending the threads in the middle of their work must not bring the process down.
    expect(await engine.exited).toEqual({ code: 1, signal: null });
    expect(engine.stderr).toContain(`a defect in ${thread}`);
    await expectNothingRuns(engine, before);
    await using next = await TestEngine.start({ functions, after: engine });
    expect((await get(port)).body).toBe("1\n");
    await next.stop();
    expectNothingLeft(next, []);
  });

  it("killed and started again at once", async () => {
    const { engine, functions, ports } = await threeTiers();
    await using _ = engine;
    const before = treeOf(engine);
    engine.child.kill("SIGKILL");
    await using next = await TestEngine.start({ functions, after: engine });
    for (const port of Object.values(ports)) expect((await get(port)).body).toBe("1\n");
    expect(stillThere(before)).toEqual([]);
    for (const id of Object.keys(ports)) await next.settled(id, "Running");
  });

  it("the next start cleans what is its own; an engine of another name is not touched", async () => {
    const { engine, functions, ports } = await threeTiers();
    await using _ = engine;
    const other = await counter("other");
    const folder = join(engine.folder, "other");
    mkdirSync(folder);
    const name = `${engine.name}o`; // the first name is a prefix of it
    const file = join(folder, "aether.yaml");
    writeFileSync(
      file,
      JSON.stringify({
        version: 1,
        engine: { name, snapshot_dir: folder, on_violation: "serve", metrics: "off" },
        functions: [other],
      }),
    );
    const beside = startAether(["--headless", "-c", file], { env: engine.env });
    try {
      await beside.says("1 of 1 functions ready");
      expect((await get(other.trigger_port)).body).toBe("1\n");
      // Helpers of the wake just now come and go.
      const stays = ["node", "aether-launcher", "python3"];
      const untouched = processTree(beside.child.pid ?? 0).filter((each) => stays.includes(each.name));
      expect(untouched.map((each) => each.name)).toEqual(
        expect.arrayContaining(["aether-launcher", "python3"]),
      );

      await sealed(engine, "asleep");
      engine.child.kill("SIGKILL");
      await engine.exited;
      // What else may lie about: a dump cut short, a function no longer declared.
      mkdirSync(join(engine.snapshotRoot, "asleep", ".new-7"));
      mkdirSync(join(engine.snapshotRoot, "long-gone", "image-1"), { recursive: true });
      await using next = await TestEngine.start({ functions, after: engine });
      expect(readdirSync(join(engine.snapshotRoot, "asleep"))).not.toContain(".new-7");
      expect(readdirSync(engine.snapshotRoot).toSorted()).toEqual(["asleep", "awake", "frozen"]);
      for (const port of Object.values(ports)) expect((await get(port)).body).toBe("1\n");
      await next.stop();
      expect(next.leftovers().filter((each) => !each.startsWith("process"))).toEqual([]);

      expect(stillThere(untouched)).toHaveLength(untouched.length);
      expect((await get(other.trigger_port)).body).toBe("2\n");
    } finally {
      beside.child.kill("SIGTERM");
      expect((await beside.outcome).code).toBe(143);
    }
    expect(engine.leftovers()).toEqual([]);
  });
});

describe("an image that an earlier engine left", () => {
  it("is adopted where it fits, and refused with the reason where not", async () => {
    const ids = ["fits", "golden", "command", "damaged", "missing", "version", "woken"];
    const functions = await Promise.all(
      ids.map((id) => counter(id, id === "golden" ? { sleep: "golden" } : {})),
    );
    const port = (id: string): number => functions.find((each) => each.id === id)?.trigger_port ?? 0;
    await using engine = await TestEngine.start({ functions });
    expect((await get(port("golden"))).body).toBe("1\n");
    expect((await get(port("woken"))).body).toBe("1\n");
    const folders = new Map<string, string>();
    for (const id of ids) folders.set(id, await sealed(engine, id));
    const at = (id: string, file: string): string => join(folders.get(id) ?? "", file);
    engine.child.kill("SIGKILL");
    await engine.exited;

    const pages = readFileSync(at("damaged", "pages-1.img"));
    pages[100] = (pages[100] ?? 0) ^ 1;
    writeFileSync(at("damaged", "pages-1.img"), pages);
    rmSync(at("missing", "files.img"));
    const manifest = JSON.parse(readFileSync(at("version", "manifest.json"), "utf8")) as Record<
      string,
      unknown
    >;
    writeFileSync(at("version", "manifest.json"), JSON.stringify({ ...manifest, criuVersion: "3.17" }));
    const changed = functions.map((each) =>
      each.id === "command" ? { ...each, env: { COLOUR: "red" } } : each,
    );

    await using next = await TestEngine.start({ functions: changed, after: engine });
    for (const id of ["fits", "golden"]) {
      const view = await next.function(id);
      expect({ id, state: view.state, coldStarts: view.coldStarts }).toEqual({
        id,
        state: "WarmSnapshot",
        coldStarts: 0,
      });
      expect(ofFunction(next.events, id)).toContainEqual(
        expect.objectContaining({ type: "transition", to: "WarmSnapshot", cause: "adopted" }),
      );
      expect((await get(port(id))).body).toBe("1\n");
      expect((await next.function(id)).coldStarts).toBe(0);
    }
    const reasons: Record<string, RegExp> = {
      command: /declaration has changed/,
      damaged: /pages-1\.img has another checksum/,
      missing: /files\.img is missing/,
      version: /made by CRIU 3\.17/,
      woken: /ran on after it was made/,
    };
    for (const [id, reason] of Object.entries(reasons)) {
      expect(refusals(next.events, id)).toContainEqual(expect.stringMatching(reason));
      expect((await next.function(id)).coldStarts).toBe(1);
      expect((await get(port(id))).body).toBe("1\n");
      // An adopted image goes on sleeping and waking like one of its own.
    }
    await next.action("fits", "snapshot");
    expect((await get(port("fits"))).body).toBe("2\n");
  });

  it("stays across `down` with keep_snapshots: true, and only then", async () => {
    const functions = [await counter("kept", { env: { TMP: "here" } })];
    const port = functions[0]?.trigger_port ?? 0;
    await using engine = await TestEngine.start({ functions, engine: { keep_snapshots: true } });
    await sealed(engine, "kept");
    await aether(["--engine", engine.name, "down"], { env: engine.env });
    expect((await engine.exited).code).toBe(0);
    expect(engine.leftovers()).toEqual([engine.snapshotRoot]);

    await using second = await TestEngine.start({ functions, after: engine });
    expect((await second.function("kept")).coldStarts).toBe(0);
    expect((await get(port)).body).toBe("1\n");
    await second.stop();
    expectNothingLeft(second, []);
  });
});

describe("net.ipv4.tcp_migrate_req", () => {
  it("is put back by the last engine that leaves, and by the next after a kill", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aether-"));
    const env = {
      ...process.env,
      AETHER_RUNTIME_DIR: join(folder, "run"),
      AETHER_STATE_DIR: join(folder, "state"),
    };
    // The setting is one of the network namespace, and other tests need it in theirs.
    const holder = start("unshare", ["--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"]);
    try {
      await holder.says("up");
      const inside = ["--net", "-t", String(holder.child.pid)];
      const setting = async (): Promise<string> => {
        const { stdout } = await start("nsenter", [...inside, "cat", "/proc/sys/net/ipv4/tcp_migrate_req"])
          .outcome;
        return stdout.trim();
      };
      const engineNamed = async (name: string): Promise<Started> => {
        const file = join(folder, `${name}.yaml`);
        writeFileSync(
          file,
          JSON.stringify({
            version: 1,
            engine: { name, snapshot_dir: folder, metrics: "off" },
            functions: [],
          }),
        );
        const engine = start("nsenter", [...inside, process.execPath, cli, "--headless", "-c", file], {
          env,
        });
        const up = async (): Promise<number | null> => (await aether(["--engine", name, "ps"], { env })).code;
        await eventually(up, (code) => code === 0, `engine ${name}`);
        return engine;
      };
      const end = async (engine: Started, signal: NodeJS.Signals): Promise<void> => {
        engine.child.kill(signal);
        await engine.outcome;
      };
      expect(await setting()).toBe("0");
      const name = `t${process.pid}m`;
      const first = await engineNamed(`${name}1`);
      expect(await setting()).toBe("1");
      const second = await engineNamed(`${name}2`);
      await end(first, "SIGTERM");
      expect(await setting()).toBe("1");
      await end(second, "SIGKILL");
      expect(await setting()).toBe("1");
      const third = await engineNamed(`${name}3`);
      await end(third, "SIGTERM");
      expect(await setting()).toBe("0");
      expect(existsSync(join(folder, "run", "host-settings.json"))).toBe(false);
      await end(await engineNamed(`${name}2`), "SIGTERM"); // clears what was killed above
      expect(await setting()).toBe("0");
      expect(existsSync(join(folder, "run"))).toBe(false); // the common folder goes with the last engine
    } finally {
      holder.child.kill("SIGKILL");
      await holder.outcome;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the processes an engine lives by", () => {
  it("kill -9 of the launcher: a new one, and functions wake from their images again", async () => {
    const { engine, ports } = await threeTiers();
    await using _ = engine;
    for (let round = 0; round < 2; round++) {
      const from = engine.events.length;
      const [launcher] = childrenOf(engine.child.pid ?? 0, "aether-launcher");
      const before = treeOf(engine).filter(({ pid }) => pid !== engine.child.pid);
      process.kill(launcher?.pid ?? 0, "SIGKILL");
      await engine.waitFor(
        (event) => event.type === "error" && event.error.code === "AE_LAUNCHER_LOST",
        "AE_LAUNCHER_LOST",
        10_000,
        from,
      );
      for (const port of Object.values(ports)) expect((await get(port)).body).toBe("1\n");
      expect(stillThere(before)).toEqual([]);
      for (const id of Object.keys(ports)) await engine.settled(id, "Running");
    }
    const before = treeOf(engine);
    expect((await engine.stop()).code).toBe(143);
    expectNothingLeft(engine, before);
  });

  it("kill -9 of a sandbox's init: that function alone ends, and wakes again", async () => {
    const { engine, ports } = await threeTiers();
    await using _ = engine;
    const others = await engine.settled("frozen", "Suspended");
    for (const id of ["awake", "frozen"] as const) {
      const { instances } = await engine.settled(id, id === "awake" ? "Running" : "Suspended");
      const function_ = treeOf(engine).find(({ pid }) => pid === instances[0]?.pid);
      const init = treeOf(engine).find(({ pid }) => pid === function_?.parent);
      expect(init?.name).toBe("aether-init");
      const from = engine.events.length;
      process.kill(init?.pid ?? 0, "SIGKILL");
      await engine.waitFor(
        (event) => event.type === "exit" && event.functionId === id && !event.expected,
        `the exit of ${id}`,
        10_000,
        from,
      );
      // Its counters of memory and processor time may move; the process is the same, and as it was.
      const untouched = others.instances.map(({ id: name, pid, state }) => ({ id: name, pid, state }));
      if (id === "awake") expect((await engine.function("frozen")).instances).toMatchObject(untouched);
      expect((await get(ports[id])).body).toBe("1\n");
    }
    // Of a sandbox made ahead for the next wake.
    const ahead = treeOf(engine).filter(({ name }) => name === "aether-init");
    for (const { pid } of ahead) process.kill(pid, "SIGKILL");
    await eventually(
      () => stillThere(ahead),
      (left) => left.length === 0,
      "the sandboxes to end",
    );
    expect((await get(ports.asleep)).body).toBe("1\n");
    const before = treeOf(engine);
    await engine.stop();
    expectNothingLeft(engine, before);
  });

  it("CRIU killed in the middle of a dump, and in the middle of a restore", async () => {
    const large = {
      command: "/usr/bin/python3 handler.py",
      cwd: fixture("memory-hog"),
      env: { MEGABYTES: 400 },
      // Read page by page: a mapped image would be restored before anybody could get in between.
      image: "stock",
    };
    const functions = [await counter("large", large)];
    const port = functions[0]?.trigger_port ?? 0;
    await using engine = await TestEngine.start({ functions });
    const size = String(400 * 1024 * 1024);
    expect((await get(port)).body.trim()).toBe(size);
    const folder = join(engine.snapshotRoot, "large");
    const newFolders = (): string[] => readdirSync(folder).filter((name) => name.startsWith(".new-"));
    const kill = ({ pid }: ProcessMark): void => {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // ended by itself meanwhile
      }
    };

    const order = engine.action("large", "snapshot").then(
      () => null,
      (error: unknown) => error,
    );
    await eventually(
      () => newFolders().some((name) => existsSync(join(folder, name, "pages-1.img"))),
      Boolean,
      "the dump to write pages",
      10_000,
      1,
    );
    for (const mark of treeOf(engine).filter(({ name }) => name === "criu")) kill(mark);
    expect(await order).toMatchObject({ code: "AE_DUMP_FAILED" });
    expect((await get(port)).body.trim()).toBe(size);
    await eventually(newFolders, (left) => left.length === 0, "the half-written image to be removed");
    expect(treeOf(engine).filter(({ name }) => name === "criu")).toEqual([]);
    await engine.action("large", "snapshot");

    // A restore: CRIU has begun once what it restores stands beside it, still under its name.
    const client = get(port).then(
      ({ body }) => body,
      (error: unknown) => String(error),
    );
    const restoring = (): ProcessMark[] => {
      const tree = treeOf(engine);
      const workers = tree.filter(({ name }) => name === "criu");
      return workers.filter(({ pid, parent }) =>
        workers.some((other) => other.parent === parent && other.pid > pid),
      );
    };
    for (const mark of await eventually(
      restoring,
      (found) => found.length > 0,
      "the restore to begin",
      10_000,
      1,
    ))
      kill(mark);
    // Told by a reset, and not by the deadline of a restore.
    expect(await client).toMatch(/ECONNRESET|closed/);
    await engine.waitFor(
      (event) => event.type === "error" && event.error.code === "AE_RESTORE_FAILED",
      "AE_RESTORE_FAILED",
    );
    expect(treeOf(engine).filter(({ name }) => name === "python3")).toEqual([]);
    expect((await get(port)).body.trim()).toBe(size);
    const before = treeOf(engine);
    await engine.stop();
    expectNothingLeft(engine, before);
  });
});
