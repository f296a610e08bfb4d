import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, nextChunk, open } from "../helpers/clients.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import { processTree } from "../helpers/processes.ts";

const cycles = Number(process.env["AETHER_TEST_CYCLES"] ?? 20);

describe("sleep and wake of ordinary servers", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};

  beforeAll(async () => {
    // As a CRIU leaves it where /run is no tmpfs (or was killed at the wrong time).
    if (!existsSync("/run/criu.kdat.tmp")) writeFileSync("/run/criu.kdat.tmp", "");
    for (const id of ["hello-python", "hello-node", "counter", "sqlite", "static", "golden"])
      ports[id] = await freePort();
    const handler = (id: string, folder: string, command: string, more = {}) => ({
      id,
      command,
      cwd: fixture(folder),
      trigger_port: ports[id],
      idle: { suspend_after: "never", snapshot_after: "never" },
      ...more,
    });
    engine = await TestEngine.start({
      functions: [
        handler("hello-python", "hello-python", "python3 handler.py"),
        handler("hello-node", "hello-node", "node handler.mjs"),
        handler("counter", "counter", "python3 handler.py"),
        handler("sqlite", "sqlite", "python3 handler.py"),
        handler("static", "unmodified", `python3 -m http.server ${ports["static"]}`, { ready: "port" }),
        handler("golden", "counter", "python3 handler.py", { sleep: "golden" }),
      ],
    });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync("/run/criu.kdat.tmp", { force: true });
    expect(engine.leftovers()).toEqual([]);
  });

  it("a stale criu.kdat.tmp of the host does not make every restore slow: CRIU's cache is there in the sandboxes", () => {
    const inits = processTree(engine.child.pid ?? 0).filter(({ name }) => name.startsWith("aether-init"));
    expect(inits.length).toBeGreaterThan(0);
    for (const { pid } of inits) expect(statSync(`/proc/${pid}/root/run/criu.kdat`).size).toBeGreaterThan(0);
  });

  const cases: readonly (readonly [string, (body: string, cycle: number) => void])[] = [
    ["hello-python", (body) => expect(body).toBe("hello from python\n")],
    ["hello-node", (body) => expect(body).toBe("hello from node\n")],
    ["counter", (body, cycle) => expect(body.trim()).toBe(String(cycle))],
    ["sqlite", (body) => expect(body).toMatch(/\d/)],
    ["static", (body) => expect(body).toContain("<html")],
  ];

  for (const [id, check] of cases) {
    it(`${id}: ${cycles} cycles without a refused connection or a wrong answer`, async () => {
      const port = ports[id] ?? 0;
      let previous = -1;
      for (let cycle = 1; cycle <= cycles; cycle++) {
        const { status, body } = await get(port);
        expect(status).toBe(200);
        check(body, cycle);
        if (id === "sqlite") {
          const rows = Number(/\d+/.exec(body)?.[0]);
          if (previous >= 0) expect(rows).toBe(previous + 1);
          previous = rows;
        }
        const { function: view } = await engine.action(id, "snapshot");
        expect(view.state).toBe("WarmSnapshot");
      }
      const view = await engine.function(id);
      expect(view.wakes).toBe(cycles);
      expect(view.restore.count).toBe(cycles);
      expect(view.coldStarts).toBe(1);
      expect(view.lastError).toBeNull();
    }, 120_000);
  }

  it("sleep: golden forgets, and never dumps again", async () => {
    const port = ports["golden"] ?? 0;
    const before = (await engine.function("golden")).snapshot;
    for (let cycle = 0; cycle < 3; cycle++) {
      expect((await get(port)).body.trim()).toBe("1");
      expect((await get(port)).body.trim()).toBe("2");
      await engine.action("golden", "snapshot");
    }
    expect((await engine.function("golden")).snapshot).toEqual(before);
    expect(before?.golden).toBe(true);
  });

  it("50 clients at once on a sleeping function are answered by one restore", async () => {
    const port = ports["static"] ?? 0;
    await engine.settled("static", "WarmSnapshot");
    const from = engine.events.length;
    const answers = await Promise.all(Array.from({ length: 50 }, () => get(port)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    await engine.settled("static", "Running");
    expect(engine.events.slice(from).filter(({ type }) => type === "wake")).toHaveLength(1);
  });

  it("restore on a running function returns it to its image", async () => {
    const port = ports["counter"] ?? 0;
    const first = Number((await get(port)).body);
    await engine.action("counter", "snapshot");
    expect(Number((await get(port)).body)).toBe(first + 1);
    expect(Number((await get(port)).body)).toBe(first + 2);
    await engine.action("counter", "restore");
    expect(Number((await get(port)).body)).toBe(first + 1);
  });

  it("suspend keeps the memory and wakes on a connection", async () => {
    const port = ports["counter"] ?? 0;
    const before = Number((await get(port)).body);
    await engine.action("counter", "suspend");
    expect((await engine.function("counter")).state).toBe("Suspended");
    expect(Number((await get(port)).body)).toBe(before + 1);
    expect((await engine.settled("counter", "Running")).state).toBe("Running");
    await engine.action("counter", "suspend");
    await engine.action("counter", "snapshot");
    expect(Number((await get(port)).body)).toBe(before + 2);
  });

  it("kill of a running function: the next connection is served from the snapshot", async () => {
    const port = ports["hello-python"] ?? 0;
    await get(port);
    await engine.action("hello-python", "kill");
    expect((await engine.function("hello-python")).state).toBe("WarmSnapshot");
    expect((await get(port)).body).toBe("hello from python\n");
  });

  it("a process killed from outside is restarted from its snapshot on the next connection", async () => {
    const port = ports["hello-node"] ?? 0;
    await get(port);
    const { instances } = await engine.settled("hello-node", "Running");
    process.kill(instances[0]?.pid ?? 0, "SIGKILL");
    await engine.waitFor(
      (event) => event.type === "exit" && event.functionId === "hello-node" && !event.expected,
      "the exit",
    );
    expect((await get(port)).body).toBe("hello from node\n");
  });

  it("killed asleep it is gone, and the next connection starts it cold on the held port", async () => {
    const port = ports["counter"] ?? 0;
    await get(port);
    await engine.action("counter", "snapshot");
    await engine.action("counter", "kill");
    expect((await engine.function("counter")).state).toBe("Uninitialized");
    expect((await get(port)).body.trim()).toBe("1");
    await engine.waitFor(
      (event) => event.type === "wake" && event.functionId === "counter" && event.tier === "cold",
      "the cold start",
    );
  });

  it("refuses illegal orders with a typed error", async () => {
    await engine.settled("golden", "WarmSnapshot");
    await expect(engine.action("golden", "suspend")).rejects.toMatchObject({
      code: "AE_INVALID_STATE_TRANSITION",
    });
    await expect(engine.action("golden", "snapshot")).rejects.toMatchObject({
      code: "AE_INVALID_STATE_TRANSITION",
    });
    await expect(engine.action("nobody", "wake")).rejects.toMatchObject({ code: "AE_UNKNOWN_FUNCTION" });
  });

  it("an open connection refuses an ordered snapshot, and says how many", async () => {
    const port = ports["hello-python"] ?? 0;
    await get(port);
    const socket = await open(port);
    try {
      await expect(engine.action("hello-python", "snapshot")).rejects.toMatchObject({
        code: "AE_CONNECTIONS_OPEN",
        data: { open: 1 },
      });
      socket.write("GET / HTTP/1.0\r\n\r\n");
      expect(await nextChunk(socket)).toContain("200");
    } finally {
      socket.destroy();
    }
    await engine.action("hello-python", "snapshot");
  });
});
