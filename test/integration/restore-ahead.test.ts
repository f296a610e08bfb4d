/** The restore that is done before anybody connects, and held before the first instruction (`restore_ahead`). */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { TestEngine } from "../helpers/engine.ts";
import { errorOf, errorsOf, pause, processesOf, python, until, waitingWorker } from "../helpers/observe.ts";

/** Time enough for any restore on any machine, and little enough to wait for. */
const limitMs = 800;

const isAhead = (engine: TestEngine, id: string): Promise<void> =>
  until(async () => (await engine.function(id)).restoredAhead, `${id} to be restored ahead`);

const layDown = async (engine: TestEngine, id: string): Promise<void> => {
  await engine.action(id, "snapshot");
  await pause(150); // A view may be a tenth of a second old, and of the wake before.
  await isAhead(engine, id);
};

describe("restored ahead", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};
  const port = (id: string): number => ports[id] ?? 0;
  const count = async (id: string): Promise<string> => (await get(port(id))).body.trim();

  beforeAll(async () => {
    const functions = [
      await python("counter", "counter"),
      await python("learning", "counter"),
      await python("hurried", "counter"),
      await python("crowd", "counter"),
      await python("killed", "counter"),
      await python("stuck", "counter", { on_violation: "fail", restore_budget_ms: limitMs }),
      await python("tree", "master-workers", { command: "/usr/bin/python3 server.py" }),
      await python("patient", "counter", { wake_on: "data" }),
      await python("golden", "counter", { sleep: "golden" }),
      await python("stock", "counter", { image: "stock" }),
      await python("stock-too", "counter", { image: "stock", restore_ahead: "always" }),
      await python("never", "counter", { restore_ahead: "never" }),
    ];
    for (const { id, trigger_port: own } of functions) ports[id] = own;
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  it("wakes with its memory, sleep after sleep, and the record says so", async () => {
    const id = "counter";
    for (let round = 1; round <= 4; round++) {
      await isAhead(engine, id);
      const [held] = processesOf(engine, id, "python3");
      expect(await count(id)).toBe(String(round));
      // It is the process that was there before the client.
      expect((await engine.settled(id, "Running")).instances[0]?.pid).toBe(held);
      await engine.action(id, "snapshot");
    }
    const wakes = engine.events.filter((event) => event.type === "wake" && event.functionId === id);
    expect(wakes).toHaveLength(4);
    for (const wake of wakes) {
      expect(wake).toMatchObject({ tier: "snapshot", ahead: true });
      const names = "phases" in wake ? Object.keys(wake.phases) : [];
      expect(names.filter((name) => name !== "handshake")).toEqual(["queue", "sandbox", "resume"]);
    }
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("what the first request touches is in memory before it comes, once that is known", async () => {
    const id = "learning";
    const faults = async (): Promise<number> => {
      await isAhead(engine, id);
      await pause(100);
      await count(id);
      const pid = (await engine.settled(id, "Running")).instances[0]?.pid ?? 0;
      // proc(5): minflt is field 10; the process has been there since its restore alone.
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      await pause(100);
      await engine.action(id, "snapshot");
      return Number(fields[7]);
    };
    const first = await faults();
    const second = await faults();
    // A restore has its own.
    expect(first - second).toBeGreaterThan(100);
  });

  it("a client that comes while the restore is under way loses nothing and waits for it", async () => {
    const id = "hurried";
    for (let round = 1; round <= 12; round++) {
      expect(await count(id)).toBe(String(round));
      await engine.action(id, "snapshot");
      await pause(2 * (round % 6));
    }
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("every client of a crowd is answered, once", async () => {
    const id = "crowd";
    await isAhead(engine, id);
    const answers = await Promise.all(Array.from({ length: 60 }, () => count(id)));
    expect(answers.map(Number).toSorted((left, right) => left - right)).toEqual(
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    await engine.settled(id, "Running"); // Events of before are here by then.
    const wakes = engine.events.filter((event) => event.type === "wake" && event.functionId === id);
    expect(wakes).toHaveLength(1);
  });

  it("killed from outside while it is held: another is made, and no client notices", async () => {
    const id = "killed";
    const killed = (event: { type: string }): boolean =>
      "text" in event && /killed; (another|it)/.test(String(event.text));
    const pausesMs = [0, 0, 0, 2, 5, 10, 20, 40, 80]; // At once: the wake itself finds it dead, as a rule.
    await isAhead(engine, id);
    for (const [round, pauseMs] of pausesMs.entries()) {
      const from = engine.events.length;
      for (const pid of processesOf(engine, id, "python3")) process.kill(pid, "SIGKILL");
      if (pauseMs > 0) await pause(pauseMs);
      expect(await count(id)).toBe(String(round + 1));
      await until(() => engine.events.slice(from).some(killed), "the loss to be told");
      await layDown(engine, id);
    }
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("a CRIU that does not let it go: the budget holds, and the next wake works", async () => {
    const id = "stuck";
    await isAhead(engine, id);
    process.kill(await waitingWorker(engine, id), "SIGSTOP");
    await expect(get(port(id))).rejects.toThrow("ECONNRESET");
    expect((await errorOf(engine, id, "AE_LATENCY_VIOLATION")).data).toMatchObject({ limitMs });
    expect(await count(id)).toBe("1");
  });

  it("a tree of processes", async () => {
    const id = "tree";
    for (let round = 0; round < 3; round++) {
      await isAhead(engine, id);
      expect(processesOf(engine, id, "python3")).toHaveLength(3);
      const workers = new Set<string>();
      await until(async () => {
        for (const { body } of await Promise.all(Array.from({ length: 8 }, () => get(port(id)))))
          workers.add(body.trim());
        return workers.size === 2;
      }, "both workers to answer");
      await engine.action(id, "snapshot");
    }
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("with `wake_on: data` its socket is as the function made it, once it runs", async () => {
    const id = "patient";
    await isAhead(engine, id);
    expect(await count(id)).toBe("1");
    await layDown(engine, id);
    expect(await count(id)).toBe("2");
  });

  it("a golden one begins from the same memory every time", async () => {
    const id = "golden";
    await isAhead(engine, id);
    expect(await count(id)).toBe("1");
    await layDown(engine, id);
    expect(await count(id)).toBe("1");
  });

  it("`auto` takes mapped images, `always` stock ones too, `never` none", async () => {
    await isAhead(engine, "stock-too");
    const views = (await engine.state()).functions;
    const ahead = (id: string): boolean | undefined => views.find((view) => view.id === id)?.restoredAhead;
    expect([ahead("stock"), ahead("never"), ahead("stock-too")]).toEqual([false, false, true]);
    for (const id of ["stock", "never", "stock-too"]) expect(await count(id)).toBe("1");
  });

  it("`restore` and `kill` of a function that is held", async () => {
    const id = "counter";
    await isAhead(engine, id);
    await engine.action(id, "restore");
    expect(await count(id)).toBe("5");
    await layDown(engine, id);
    await engine.action(id, "kill");
    expect(await engine.function(id)).toMatchObject({ state: "Uninitialized", restoredAhead: false });
    expect(await count(id)).toBe("1");
  });
});

it("who loses its place in the pool answers all the same", async () => {
  const functions = [await python("one", "counter"), await python("two", "counter")] as const;
  await using engine = await TestEngine.start({ functions, engine: { warm_pool: 1 } });
  for (const { id, trigger_port: port } of functions) {
    expect((await get(port)).body.trim()).toBe("1");
    await layDown(engine, id);
  }
  expect((await engine.function("one")).restoredAhead).toBe(false);
  for (const { trigger_port: port } of functions) expect((await get(port)).body.trim()).toBe("2");
});

it("no instruction of it runs before its wake, not even when the engine is killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "aether-ticker-"));
  const file = join(folder, "ticks");
  const command = ["/usr/bin/python3", "handler.py", file];
  const ticker = await python("ticker", "ticker", { command });
  try {
    const engine = await TestEngine.start({ functions: [ticker] });
    await get(ticker.trigger_port);
    await layDown(engine, "ticker");
    const asleep = statSync(file).size;
    await pause(200);
    expect(statSync(file).size).toBe(asleep);
    await get(ticker.trigger_port);
    await until(() => statSync(file).size > asleep, "it to run again");
    await layDown(engine, "ticker");
    const before = statSync(file).size;
    engine.child.kill("SIGKILL");
    await until(() => processesOf(engine, "ticker").length === 0, "its processes to be ended");
    expect(statSync(file).size).toBe(before);
    await engine[Symbol.asyncDispose]();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
