/** Mapped images: memory stays right over many sleeps, whatever the allocator does, and only where that was tested. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import { get } from "../helpers/clients.ts";

const cycles = Number(process.env["AETHER_TEST_CYCLES"] ?? 6);
const idle = { suspend_after: "never", snapshot_after: "never" };
const jemalloc = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
let programs = "";

beforeAll(() => {
  programs = `/var/tmp/aether-mapped-${process.pid}`;
  mkdirSync(programs, { mode: 0o755 });
  const source = join(fixture("allocator"), "server.c");
  execFileSync("gcc", ["-O1", "-pthread", "-o", join(programs, "server"), source]);
});
afterAll(() => rmSync(programs, { recursive: true, force: true }));

describe("memory over many sleeps", () => {
  it.for<[string, (port: number) => object]>([
    ["glibc", (port) => ({ command: [join(programs, "server"), port] })],
    ["CPython", () => ({ command: "/usr/bin/python3 handler.py" })],
    ["Node", () => ({ command: "node --expose-gc handler.mjs" })],
    [
      "Node with few pages of young space",
      () => ({ command: "node --max-semi-space-size=1 --expose-gc handler.mjs" }),
    ],
  ])("%s: nothing changes by itself, and fresh memory is zero", async ([, how]) => {
    const port = await freePort();
    const common = { id: "busy", cwd: fixture("allocator"), ready: "port", trigger_port: port, idle };
    await using engine = await TestEngine.start({ functions: [{ ...common, ...how(port) }] });
    for (let count = 1; count <= cycles; count++) {
      expect((await ask(port)).trim()).toBe(`ok ${count}`);
      const { function: view } = await engine.action("busy", "snapshot");
      expect(view.snapshot).toMatchObject({ image: "mapped" });
      // Every other wake is of processes that are held, with the pages they are going to touch brought in.
      if (count % 2 === 0)
        await expect.poll(async () => (await engine.function("busy")).restoredAhead).toBe(true);
    }
    // Nothing piles up: the former image goes with the sleep that replaces it, its heap file with it.
    const images = (): string[] =>
      readdirSync(join(engine.snapshotRoot, "busy")).filter((name) => name.startsWith("image-"));
    await expect.poll(images, { timeout: 5_000 }).toHaveLength(1);
  });

  it("a tree of several processes", async () => {
    const port = await freePort();
    const common = { id: "tree", cwd: fixture("master-workers"), trigger_port: port, idle };
    await using engine = await TestEngine.start({
      functions: [{ ...common, command: "/usr/bin/python3 server.py" }],
    });
    for (let count = 0; count < 5; count++) {
      // A worker that does not survive is replaced by its master, under another number.
      for (let turn = 0; turn < 6; turn++) expect(await ask(port)).toMatch(/^worker 10[12]$/m);
      const { function: view } = await engine.action("tree", "snapshot");
      expect(view.snapshot).toMatchObject({ image: "mapped", imageReason: "CPython" });
    }
  });

  it("another user's, and with a memory limit", async () => {
    const port = await freePort();
    const common = { id: "limited", cwd: fixture("allocator"), ready: "port", trigger_port: port, idle };
    await using engine = await TestEngine.start({
      functions: [
        {
          ...common,
          command: "/usr/bin/python3 handler.py",
          user: "nobody",
          memory_limit: "96MiB",
          image: "mapped",
        },
      ],
    });
    for (let count = 1; count <= 6; count++) {
      expect((await ask(port)).trim()).toBe(`ok ${count}`);
      await engine.action("limited", "snapshot");
    }
    expect((await engine.function("limited")).snapshot?.image).toBe("mapped");
  });
});

describe("the choice", () => {
  it("jemalloc is recognised and served stock", async () => {
    const port = await freePort();
    const env = { LD_PRELOAD: jemalloc };
    const common = { id: "je", cwd: fixture("allocator"), ready: "port", trigger_port: port, idle, env };
    await using engine = await TestEngine.start({
      functions: [{ ...common, command: [join(programs, "server"), port] }],
    });
    for (let count = 1; count <= 3; count++) {
      expect((await ask(port)).trim()).toBe(`ok ${count}`);
      const { function: view } = await engine.action("je", "snapshot");
      expect(view.snapshot?.image).toBe("stock");
      expect(view.snapshot?.imageReason).toMatch(/libjemalloc.*calls madvise/);
    }
    expect(existsSync(heapOf(engine, "je"))).toBe(false);
  });

  it("a function with a memory limit is served stock, for the limit would not count what is mapped", async () => {
    const port = await freePort();
    const common = { id: "limit", cwd: fixture("hello-python"), trigger_port: port, idle };
    await using engine = await TestEngine.start({
      functions: [{ ...common, command: "/usr/bin/python3 handler.py", memory_limit: "128MiB" }],
    });
    const { snapshot } = await engine.function("limit");
    expect(snapshot).toMatchObject({ image: "stock" });
    expect(snapshot?.imageReason).toContain("memory_limit");
  });

  it("`image: stock` and `image: mapped` are obeyed, and say so", async () => {
    const ports = [await freePort(), await freePort()] as const;
    const common = { cwd: fixture("allocator"), ready: "port", idle };
    await using engine = await TestEngine.start({
      functions: [
        {
          ...common,
          id: "read",
          command: "/usr/bin/python3 handler.py",
          trigger_port: ports[0],
          image: "stock",
        },
        {
          ...common,
          id: "mapped",
          command: "/usr/bin/python3 handler.py",
          trigger_port: ports[1],
          image: "mapped",
        },
      ],
    });
    expect((await engine.function("read")).snapshot).toMatchObject({
      image: "stock",
      imageReason: "declared",
    });
    expect((await engine.function("mapped")).snapshot).toMatchObject({
      image: "mapped",
      imageReason: "declared",
    });
    expect(existsSync(heapOf(engine, "read"))).toBe(false);
    expect(statSync(heapOf(engine, "mapped")).mode & 0o777).toBe(0o600);
    for (const port of ports) expect((await ask(port)).trim()).toBe("ok 1");
  });
});

describe("the heap file", () => {
  it("code compiled at run time runs from a snapshot folder that is mounted noexec", async () => {
    const folder = `/var/tmp/aether-noexec-${process.pid}`;
    mkdirSync(folder, { mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", "noexec,mode=0700", "tmpfs", folder]);
    try {
      const port = await freePort();
      const common = { id: "jit", cwd: fixture("allocator"), ready: "port", trigger_port: port, idle };
      await using engine = await TestEngine.start({
        functions: [{ ...common, command: "node handler.mjs" }],
        engine: { snapshot_dir: folder },
      });
      for (let count = 1; count <= 4; count++) {
        expect((await ask(port)).trim()).toBe(`ok ${count}`);
        const { function: view } = await engine.action("jit", "snapshot");
        expect(view.snapshot?.image).toBe("mapped");
      }
    } finally {
      execFileSync("umount", [folder]);
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("cannot be written by the function, even as root", async () => {
    const port = await freePort();
    const common = { id: "probe", cwd: fixture("probe"), ready: "port", trigger_port: port, idle };
    await using engine = await TestEngine.start({
      functions: [{ ...common, command: "/usr/bin/python3 handler.py", image: "mapped" }],
    });
    await ask(port);
    const pid = (await engine.settled("probe", "Running")).instances[0]?.pid ?? 0;
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    expect(maps).toContain("/dev/aether/heap");
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8");
    expect(mounts).toMatch(/ \/dev\/aether\/heap ro,/);
  });

  it("a program replaced by the same again wakes, one replaced by another is refused", async () => {
    const program = join(programs, "upgraded");
    copyFileSync(join(programs, "server"), program);
    const port = await freePort();
    const common = { id: "upgraded", cwd: programs, ready: "port", trigger_port: port, idle };
    await using engine = await TestEngine.start({ functions: [{ ...common, command: [program, port] }] });
    const replace = (by: string): void => {
      copyFileSync(by, `${program}.new`);
      renameSync(`${program}.new`, program);
    };
    await expect.poll(async () => (await engine.function("upgraded")).restoredAhead).toBe(true);
    replace(join(programs, "server"));
    expect((await ask(port)).trim()).toBe("ok 1");
    await engine.settled("upgraded", "Running");
    // What was restored ahead was given up for that, and nobody had killed it.
    const texts = engine.events.map((event) => ("text" in event ? event.text : ""));
    expect(texts.filter((text) => text.includes("killed"))).toEqual([]);
    await engine.action("upgraded", "snapshot");
    const other = join(programs, "other");
    const source = join(fixture("allocator"), "server.c");
    execFileSync("gcc", ["-O2", "-g", "-pthread", "-o", other, source]);
    // It is restored from the former program already, and must not answer.
    await expect.poll(async () => (await engine.function("upgraded")).restoredAhead).toBe(true);
    replace(other);
    await expect(ask(port)).rejects.toThrow("ECONNRESET");
    const event = await engine.waitFor(({ type }) => type === "error", "the refusal");
    expect(event).toMatchObject({ error: { code: "AE_RESTORE_FAILED", data: { reason: "FileChanged" } } });
  });
});

/** The answer's body; rejects when there is none. */
async function ask(port: number): Promise<string> {
  return (await get(port)).body;
}

function heapOf(engine: TestEngine, id: string): string {
  const folder = join(engine.snapshotRoot, id);
  const image = readdirSync(folder).find((name) => name.startsWith("image-")) ?? "none";
  return join(folder, image, "heap.raw");
}
