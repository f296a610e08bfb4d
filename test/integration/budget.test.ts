/** The budget of a restore: enforced to the letter under `fail`, counted under `serve`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { TestEngine } from "../helpers/engine.ts";
import { errorOf, errorsOf, processesOf, python, until, waitingWorker } from "../helpers/observe.ts";

/** Time enough for any restore on any machine, and little enough to wait for. */
const limitMs = 800;

describe("a restore that takes too long", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};

  beforeAll(async () => {
    const functions = [
      await python("fails", "counter", { on_violation: "fail", restore_budget_ms: limitMs }),
      await python("impossible", "counter", { on_violation: "fail", restore_budget_ms: 1 }),
      await python("serves", "counter", {
        on_violation: "serve",
        restore_budget_ms: 1,
        restore_ahead: "never", // What is left of one that is restored ahead may take less.
      }),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = port;
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  const port = (id: string): number => ports[id] ?? 0;

  it("fails: it is killed on time, its clients are reset, and the next wake works", async () => {
    const id = "fails";
    for (let round = 1; round <= 2; round++) {
      const from = engine.events.length;
      const worker = await waitingWorker(engine, id);
      const held = processesOf(engine, id, "python3");
      process.kill(worker, "SIGSTOP");
      const clients = await Promise.allSettled(Array.from({ length: 3 }, () => get(port(id))));
      for (const client of clients)
        expect(client).toMatchObject({ status: "rejected", reason: { code: "ECONNRESET" } });
      const error = await errorOf(engine, id, "AE_LATENCY_VIOLATION", from);
      expect(error.data).toMatchObject({ function: id, limitMs });
      expect(Number(error.data["actualMs"])).toBeGreaterThanOrEqual(limitMs);
      // Of the attempt nothing is left; another may be restored ahead already.
      for (const pid of [worker, ...held]) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      expect(engine.events.slice(from).filter(({ type }) => type === "wake")).toEqual([]);
      await until(
        async () => (await engine.function(id)).violations === round,
        "the violation to be counted",
      );
      expect(await engine.function(id)).toMatchObject({
        state: "WarmSnapshot",
        instances: [],
        lastError: { code: "AE_LATENCY_VIOLATION" },
      });
      // The port was open all the while; the memory is that of before.
      expect((await get(port(id))).body.trim()).toBe(String(round));
      await engine.action(id, "snapshot");
    }
  });

  it("fails an order to wake, too, and says how long it took", async () => {
    const id = "fails";
    process.kill(await waitingWorker(engine, id), "SIGSTOP");
    await expect(engine.action(id, "wake")).rejects.toMatchObject({
      code: "AE_LATENCY_VIOLATION",
      data: { limitMs },
    });
    expect((await get(port(id))).status).toBe(200);
  });

  it("fails the start when no restore of the fresh snapshot can keep it, with the time measured", async () => {
    const id = "impossible";
    const error = await errorOf(engine, id, "AE_LATENCY_VIOLATION");
    expect(error.data).toMatchObject({ function: id, limitMs: 1 });
    expect(Number(error.data["actualMs"])).toBeGreaterThan(1);
    expect(error.why).toContain(String(error.data["actualMs"]));
    const view = await engine.function(id);
    expect(view).toMatchObject({ state: "Uninitialized", instances: [], snapshot: null });
    expect(processesOf(engine, id)).toEqual([]);
  });

  it("serves, counts and shows it, when that is declared", async () => {
    const id = "serves";
    expect((await get(port(id))).body.trim()).toBe("1");
    await engine.action(id, "snapshot");
    expect((await get(port(id))).body.trim()).toBe("2");
    await until(async () => (await engine.function(id)).restore.count === 2, "both restores to be counted");
    // The trials of its start were one more.
    expect((await engine.function(id)).violations).toBe(3);
    const wakes = engine.events.filter((event) => event.type === "wake" && event.functionId === id);
    expect(wakes).toHaveLength(2);
    for (const wake of wakes) expect(wake).toMatchObject({ overBudget: true });
    expect(errorsOf(engine, id)).toEqual([]);
  });
});
