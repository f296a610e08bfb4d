/** Functions that start cold on a port the engine holds: the first clients wait in the queue of a socket of ours. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { eventually } from "../helpers/command-line.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";

const never = { suspend_after: "never", snapshot_after: "never" };
const ipv4 = { command: "/usr/bin/python3 handler.py", cwd: fixture("counter") };
const dualStack = { command: "node handler.mjs", cwd: fixture("dual-stack") };

describe("start: lazy", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};

  beforeAll(async () => {
    const shapes: Record<string, Record<string, unknown>> = {
      one: ipv4,
      twenty: ipv4,
      "one-dual": dualStack,
      "twenty-dual": dualStack,
      unmodified: { command: "", cwd: fixture("unmodified"), ready: "port" },
      sleeper: ipv4,
      broken: { command: "/usr/bin/python3 at_start.py", cwd: fixture("crasher") },
    };
    const functions: Declaration[] = [];
    for (const [id, shape] of Object.entries(shapes)) {
      const port = await freePort();
      ports[id] = port;
      const command = id === "unmodified" ? `/usr/bin/python3 -m http.server ${port}` : shape["command"];
      functions.push({ id, ...shape, command, trigger_port: port, start: "lazy", idle: never });
    }
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  const port = (id: string): number => ports[id] ?? 0;

  it("starts nothing before the first client", async () => {
    for (const view of (await engine.state()).functions) {
      expect(view).toMatchObject({
        state: "Uninitialized",
        activity: null,
        instances: [],
        coldStarts: 0,
        lastError: null,
      });
    }
  });

  it("one client, server on 0.0.0.0", async () => {
    expect(await get(port("one"))).toMatchObject({ status: 200, body: "1\n" });
    const view = await engine.settled("one", "Running");
    expect(view).toMatchObject({ coldStarts: 1, wakes: 1, lastError: null });
    expect((await get(port("one"))).body).toBe("2\n");
  });

  it("20 clients, server on 0.0.0.0: one start answers all", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(port("twenty"))));
    expect(answers.map(({ body }) => Number(body)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(await engine.settled("twenty", "Running")).toMatchObject({ coldStarts: 1, lastError: null });
  });

  it("one client of each family, server on ::", async () => {
    const [four, six] = await Promise.all([get(port("one-dual")), get(port("one-dual"), "/", "::1")]);
    expect([four.body, six.body]).toEqual(["IPv4\n", "IPv6\n"]);
    expect(await engine.settled("one-dual", "Running")).toMatchObject({ coldStarts: 1, lastError: null });
    expect((await get(port("one-dual"))).body).toBe("IPv4\n");
  });

  it("20 clients of both families, server on ::", async () => {
    const hosts = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? "127.0.0.1" : "::1"));
    const answers = await Promise.all(hosts.map((host) => get(port("twenty-dual"), "/", host)));
    expect(answers.map(({ body }) => body)).toEqual(
      hosts.map((host) => (host === "::1" ? "IPv6\n" : "IPv4\n")),
    );
    expect(await engine.settled("twenty-dual", "Running")).toMatchObject({ coldStarts: 1, lastError: null });
  });

  it("an unmodified server", async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => get(port("unmodified"))));
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 200, body: expect.stringContaining("<html") });
  });

  it("sleeps and wakes like any other afterwards, and starts anew without an image", async () => {
    expect((await get(port("sleeper"))).body).toBe("1\n");
    await engine.action("sleeper", "snapshot");
    expect((await get(port("sleeper"))).body).toBe("2\n");
    await engine.action("sleeper", "snapshot");
    await engine.action("sleeper", "kill");
    expect((await engine.function("sleeper")).state).toBe("Uninitialized");
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(port("sleeper"))));
    expect(answers.map(({ body }) => Number(body)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(await engine.settled("sleeper", "Running")).toMatchObject({
      coldStarts: 2,
      restore: { count: 1 },
    });
  });

  it("killed while it runs without an image: the next client starts it", async () => {
    await get(port("one"));
    await engine.action("one", "kill");
    expect((await engine.function("one")).state).toBe("Uninitialized");
    expect((await get(port("one"))).body).toBe("1\n");
    const { instances } = await engine.settled("one", "Running");
    process.kill(instances[0]?.pid ?? 0, "SIGKILL");
    await engine.waitFor(
      (event) => event.type === "exit" && event.functionId === "one" && !event.expected,
      "the exit",
    );
    expect((await get(port("one"))).body).toBe("1\n");
  });

  it("a client that says nothing at first and one that gives up do no harm", async () => {
    await engine.action("twenty-dual", "kill");
    const gone = connect({ port: port("twenty-dual"), host: "127.0.0.1" });
    await new Promise((resolve) => gone.once("connect", resolve));
    gone.destroy();
    const silent = connect({ port: port("twenty-dual"), host: "127.0.0.1" });
    await engine.settled("twenty-dual", "Running");
    expect((await get(port("twenty-dual"))).status).toBe(200);
    silent.destroy();
  });

  it("one that cannot start resets its clients, says why, and tries again for the next", async () => {
    await expect(get(port("broken"))).rejects.toThrow(/ECONNRESET|closed/);
    const view = await eventually(
      () => engine.function("broken"),
      ({ lastError }) => lastError !== null,
      "its error",
    );
    expect(view).toMatchObject({ state: "Uninitialized", lastError: { code: "AE_EARLY_EXIT" } });
    await eventually(
      () => engine.function("broken"),
      ({ activity }) => activity === null,
      "the end of the pause",
    );
    await expect(get(port("broken"))).rejects.toThrow(/ECONNRESET|closed/);
    expect((await engine.function("broken")).instances).toEqual([]);
  });
});

describe("start: running", () => {
  it("runs at once, sleeps only when told, and is started again when it dies", async () => {
    const trigger_port = await freePort();
    const functions = [{ id: "r", ...ipv4, trigger_port, start: "running", idle: never }];
    await using engine = await TestEngine.start({ functions });
    const view = await engine.settled("r", "Running");
    expect(view).toMatchObject({ coldStarts: 1, wakes: 0, snapshot: null });
    expect((await get(trigger_port)).body).toBe("1\n");
    process.kill(view.instances[0]?.pid ?? 0, "SIGKILL");
    await engine.waitFor((event) => event.type === "exit" && !event.expected, "the exit");
    expect((await get(trigger_port)).body).toBe("1\n");
    await engine.action("r", "snapshot");
    expect((await get(trigger_port)).body).toBe("2\n");
    expect(await engine.settled("r", "Running")).toMatchObject({ coldStarts: 2, restore: { count: 1 } });
    await engine.stop();
    expect(engine.leftovers()).toEqual([]);
  });
});
