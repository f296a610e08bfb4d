/** The stats region of a real engine, read from another process that asks the engine nothing. */
import { existsSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StatsReport } from "../../src/commands/output/stats-report.ts";
import { StatsReader } from "../../src/protocol/stats-reader.ts";
import { get } from "../helpers/clients.ts";
import { aether, eventually } from "../helpers/command-line.ts";
import { TestEngine } from "../helpers/engine.ts";
import { python, restless } from "../helpers/observe.ts";

type Report = StatsReport;
type FunctionReport = Report["functions"][number];

async function report(engine: TestEngine): Promise<Report> {
  const { stdout, stderr, code } = await aether(["--engine", engine.name, "stats", "--json"], {
    env: engine.env,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Report;
}

async function functionReport(
  engine: TestEngine,
  id: string,
  holds: (found: FunctionReport) => boolean,
  what: string,
): Promise<FunctionReport> {
  const look = async (): Promise<FunctionReport | undefined> =>
    (await report(engine)).functions.find((each) => each.id === id);
  const found = await eventually(look, (each) => each !== undefined && holds(each), what);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
}

describe("the stats region of an engine", () => {
  let engine: TestEngine;
  let port = 0;

  beforeAll(async () => {
    const counter = await python("counter", "counter");
    port = counter.trigger_port;
    const failing = { id: "failing", command: "false", trigger_port: 1, idle: restless };
    engine = await TestEngine.start({ functions: [counter, failing] });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  it("is the owner's alone, and beats while nothing happens", async () => {
    expect(statSync(engine.statsFile).mode & 0o777).toBe(0o600);
    using reader = StatsReader.open(engine.statsFile);
    const first = reader?.read();
    const later = await eventually(
      () => reader?.read(),
      (seen) => (seen?.pulse.beats ?? 0) > (first?.pulse.beats ?? 0) + 3,
      "more beats",
    );
    expect(later?.pulse.heartbeatMs).toBeGreaterThan(first?.pulse.heartbeatMs ?? Infinity);
    expect(later?.functions.map(({ id }) => id)).toEqual(["counter", "failing"]);
  });

  it("has what the control socket has, and what it lacks", async () => {
    await get(port);
    await engine.action("counter", "suspend");
    await get(port);
    await engine.action("counter", "snapshot");
    await functionReport(engine, "counter", (each) => each.warmPool > 0, "a sandbox made ready");
    await get(port);
    const counter = await functionReport(
      engine,
      "counter",
      (each) => each.wakes === 3 && each.memoryBytes !== null,
      "three wakes and its memory",
    );
    const view = await engine.function("counter");
    expect(counter).toMatchObject({
      state: "Running",
      triggerPort: port,
      pid: view.instances[0]?.pid,
      instances: 1,
      wakesByTier: { suspended: 1, snapshot: 2, cold: 0 },
      coldStarts: view.coldStarts,
      exits: 0,
      restore: { count: 2, lastMs: view.restore.lastMs, p50Ms: view.restore.p50Ms },
      wake: { count: 3, lastMs: view.wake.lastMs, p99Ms: view.wake.p99Ms },
    });
    expect(counter.snapshot?.sizeBytes).toBe(view.snapshot?.sizeBytes);
    expect(counter.cpuMs).toBeGreaterThan(0);
    expect(counter.restore.buckets.reduce((sum, count) => sum + count, 0)).toBe(2);
    const all = await report(engine);
    expect(all.engine).toMatchObject({
      pid: engine.child.pid,
      name: engine.name,
      configFile: engine.configFile,
      phase: "running",
      readyCount: 2,
      liveness: "live",
    });
    expect(all.totals).toMatchObject({ wakes: 3, wakesSuspended: 1, wakesSnapshot: 2 });
    expect(all.errors).toEqual({ AE_EARLY_EXIT: 1 });
    expect(all.functions.find(({ id }) => id === "failing")).toMatchObject({ errors: 1, wakes: 0 });
  });

  it("is read although the engine does not answer, and tells that", async () => {
    engine.child.kill("SIGSTOP");
    try {
      const silent = await eventually(
        () => report(engine),
        ({ engine: { liveness } }) => liveness === "silent",
        "silence",
      );
      expect(silent.functions).toHaveLength(2);
      const { stdout } = await aether(["--engine", engine.name, "stats"], { env: engine.env });
      expect(stdout).toContain("has not been heard of");
    } finally {
      engine.child.kill("SIGCONT");
    }
    await eventually(
      () => report(engine),
      ({ engine: { liveness } }) => liveness === "live",
      "a beat",
    );
  });

  it("grows with the configuration, and forgets what was removed", async () => {
    using reader = StatsReader.open(engine.statsFile);
    const counter = await python("counter", "counter", { trigger_port: port });
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, index) => python(`lazy-${index}`, "counter", { start: "lazy" })),
    );
    engine.rewrite([...many, counter]);
    const { functions, header } = await eventually(
      () => reader?.read() ?? null,
      (seen) => seen?.functions.length === 21,
      "21 functions",
    ).then((seen) => seen ?? { functions: [], header: { generation: 0 } });
    expect(header.generation).toBe(2);
    expect(functions.map(({ id }) => id)).toEqual([...many.map(({ id }) => id), "counter"]);
    expect(functions.at(-1)?.wakesSnapshot).toBe(2);
    engine.rewrite([counter]);
    await eventually(
      () => reader?.read().functions.map(({ id }) => id) ?? [],
      (ids) => ids.join() === "counter",
      "one function again",
    );
    expect((await report(engine)).totals.wakes).toBe(3);
  });

  it("is removed with an engine that is killed, and a reader learns that it is dead", async () => {
    using reader = StatsReader.open(engine.statsFile);
    engine.child.kill("SIGKILL");
    await engine.exited;
    await eventually(
      () => existsSync(engine.statsFile),
      (there) => !there,
      "the file's end",
    );
    expect(reader?.read().pulse.ended).toBe(0);
    const { code, stderr } = await aether(["--engine", engine.name, "stats"], { env: engine.env });
    expect(code).toBe(1);
    expect(stderr).toContain("AE_ENGINE_NOT_RUNNING");
    await using next = await TestEngine.start({
      functions: [await python("next", "counter")],
      after: engine,
    });
    const { engine: alive, functions } = await report(next);
    expect({ pid: alive.pid, ids: functions.map(({ id }) => id) }).toEqual({
      pid: next.child.pid,
      ids: ["next"],
    });
    await next.stop();
    expect(existsSync(engine.statsFile)).toBe(false);
  });
});
