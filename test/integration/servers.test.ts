/** Servers of all kinds sleep and wake: several processes, both address families, those that speak first. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, nextChunk, open } from "../helpers/clients.ts";
import { fixture, freePort, repository, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { ask, errorsOf, outputLines, processesOf, python, restless, until } from "../helpers/observe.ts";

const cycles = 3;

describe("sleep and wake of", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};
  let functions: Declaration[];

  beforeAll(async () => {
    ports["extra"] = await freePort();
    const unmodified = await freePort();
    functions = [
      await python("master-workers", "master-workers", { command: "/usr/bin/python3 server.py" }),
      await python("dual-stack", "dual-stack", { command: "node handler.mjs" }),
      await python("speaks-first", "speaks-first", { command: "/usr/bin/python3 server.py", ready: "port" }),
      await python("tcp-echo", "tcp-echo", { command: "/usr/bin/python3 echo.py", ready: "port" }),
      await python("listeners", "probe", { env: { EXTRA_PORTS: ports["extra"] } }),
      {
        id: "unmodified",
        command: `/usr/bin/python3 -m http.server ${unmodified}`,
        cwd: fixture("unmodified"),
        trigger_port: unmodified,
        ready: "port",
        idle: restless,
      },
      await python("node24", "node24", {
        command: [join(repository, "node_modules/.bin/node"), "handler.mjs"],
      }),
      await python("ignores-sigterm", "ignores-sigterm", { stop_timeout: "300ms" }),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = Number(port);
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  const port = (id: string): number => ports[id] ?? 0;

  const sleep = async (id: string): Promise<void> => {
    expect((await engine.action(id, "snapshot")).function.state).toBe("WarmSnapshot");
  };

  const noErrors = (id: string): void => expect(errorsOf(engine, id)).toEqual([]);

  it("a master with workers: the tree is there again, and every worker answers", async () => {
    const id = "master-workers";
    for (let cycle = 0; cycle < cycles; cycle++) {
      const workers = new Set<string>();
      await until(async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => get(port(id))));
        for (const { body } of answers) workers.add(body.trim());
        return workers.size === 2;
      }, "both workers to answer");
      expect([...workers].toSorted()).toEqual(["worker 101", "worker 102"]);
      const awake = processesOf(engine, id, "python3");
      expect(awake).toHaveLength(3);
      await sleep(id);
      // Those that are restored ahead of the next wake are others.
      expect(processesOf(engine, id, "python3").filter((pid) => awake.includes(pid))).toEqual([]);
    }
    noErrors(id);
  });

  it("a master that replaces a worker which died", async () => {
    const id = "master-workers";
    await get(port(id));
    const before = processesOf(engine, id, "python3");
    // The master is the parent of the others.
    const worker = before.find((pid) =>
      before.includes(Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])),
    );
    process.kill(worker ?? 0, "SIGKILL");
    await until(() => {
      const now = processesOf(engine, id, "python3");
      return now.length === 3 && !now.includes(worker ?? 0);
    }, "a new worker");
    await sleep(id);
    expect((await get(port(id))).body).toMatch(/^worker \d+/);
    expect(processesOf(engine, id, "python3")).toHaveLength(3);
    noErrors(id);
  });

  it("a server of both address families, woken by either", async () => {
    const id = "dual-stack";
    for (let cycle = 0; cycle < cycles; cycle++) {
      const [host, body] = cycle % 2 === 0 ? ["127.0.0.1", "IPv4\n"] : ["::1", "IPv6\n"];
      expect((await get(port(id), "/", host)).body).toBe(body);
      expect((await get(port(id), "/", "::1")).body).toBe("IPv6\n");
      expect((await get(port(id), "/", "127.0.0.1")).body).toBe("IPv4\n");
      await sleep(id);
    }
    const [four, six] = await Promise.all([get(port(id)), get(port(id), "/", "::1")]);
    expect([four.body, six.body]).toEqual(["IPv4\n", "IPv6\n"]);
    noErrors(id);
  });

  it("a server that speaks first: its client waits without a word", async () => {
    const id = "speaks-first";
    for (let cycle = 0; cycle < cycles; cycle++) {
      const socket = await open(port(id));
      expect(await nextChunk(socket)).toBe("220 ready\r\n");
      socket.write("again\n");
      expect(await nextChunk(socket)).toBe("again\n");
      socket.end();
      await new Promise((resolve) => socket.once("close", resolve));
      await sleep(id);
    }
    noErrors(id);
  });

  it("a plain TCP server, with bytes sent before it was awake", async () => {
    const id = "tcp-echo";
    const large = "x".repeat(100_000);
    for (let cycle = 0; cycle < cycles; cycle++) {
      const socket = await open(port(id));
      socket.write(large);
      let got = "";
      while (got.length < large.length) got += await nextChunk(socket);
      expect(got).toBe(large);
      socket.end();
      await new Promise((resolve) => socket.once("close", resolve));
      await sleep(id);
    }
    noErrors(id);
  });

  it("a process with several listeners, woken by each of them", async () => {
    const id = "listeners";
    for (let cycle = 0; cycle < cycles; cycle++) {
      for (const wanted of [port(id), port("extra")]) {
        expect(await ask(wanted, "/port")).toBe(wanted);
        await sleep(id);
      }
    }
    const both = await Promise.all([ask(port(id), "/port"), ask(port("extra"), "/port")]);
    expect(both).toEqual([port(id), port("extra")]);
    await engine.action(id, "suspend");
    expect(await ask(port("extra"), "/port")).toBe(port("extra"));
    noErrors(id);
  });

  it("an unmodified server", async () => {
    const id = "unmodified";
    for (let cycle = 0; cycle < cycles; cycle++) {
      expect((await get(port(id))).body).toContain("<html");
      expect((await get(port(id), "/index.html")).status).toBe(200);
      await sleep(id);
    }
    noErrors(id);
  });

  it("Node 24, which would open an io_uring", async () => {
    const id = "node24";
    for (let cycle = 0; cycle < cycles; cycle++) {
      expect((await get(port(id))).body).toMatch(/^node 24\.\d+\.\d+, \d+ bytes$/m);
      await sleep(id);
    }
    noErrors(id);
  });

  it("a server that ignores SIGTERM: it is asked, waited for, and killed", async () => {
    const id = "ignores-sigterm";
    expect((await get(port(id))).body).toBe("still here\n");
    const [pid] = processesOf(engine, id, "python3");
    expect(pid).toBeGreaterThan(0);
    const changed = functions.map((entry) => (entry.id === id ? { ...entry, env: { CHANGED: "1" } } : entry));
    engine.rewrite(changed);
    await engine.waitFor((event) => event.type === "reload", "the reload", 20_000);
    await until(async () => (await outputLines(engine, id)).includes("SIGTERM ignored"), "the signal");
    expect(() => process.kill(pid ?? 0, 0)).toThrow("ESRCH");
    expect((await get(port(id))).body).toBe("still here\n");
  });
});
