/** No request is refused or lost, whatever the function is doing just then. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, nextChunk, open } from "../helpers/clients.ts";
import { TestEngine } from "../helpers/engine.ts";
import { errorOf, errorsOf, pause, processesOf, python, until } from "../helpers/observe.ts";

const seconds = Number(process.env["AETHER_TEST_RACE_SECONDS"] ?? 20);

/** Numbers that look random and are the same in every run (Numerical Recipes, ranqd1). */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What the clients of a counter were answered, and what went wrong. */
interface Tally {
  readonly counts: number[];
  readonly failures: string[];
}

/** One client that asks again and again until told to stop; `rest` says how long it waits after each answer. */
async function client(port: number, tally: Tally, going: () => boolean, rest: () => number): Promise<void> {
  while (going()) {
    try {
      const { status, body } = await get(port);
      if (status === 200) tally.counts.push(Number(body));
      else tally.failures.push(`status ${status}`);
    } catch (error) {
      tally.failures.push(String(error));
    }
    await pause(rest());
  }
}

describe("no request is refused or lost", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};
  const idlers = ["idle-1", "idle-2", "idle-3", "idle-4"];

  beforeAll(async () => {
    const functions = [
      await python("ordered", "counter"),
      await python("frozen", "counter"),
      ...(await Promise.all(
        idlers.map((id) =>
          python(id, "counter", { idle: { suspend_after: "50ms", snapshot_after: "150ms" } }),
        ),
      )),
      await python("turned", "memory-hog", {
        env: { MEGABYTES: 256 },
        start: "running",
        idle: { suspend_after: "never", snapshot_after: "700ms" },
      }),
      await python("large", "memory-hog", { env: { MEGABYTES: 256 } }),
      await python("counter", "counter"),
      await python("crasher", "crasher"),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = port;
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  const port = (id: string): number => ports[id] ?? 0;

  /** Whether CRIU has stopped the function's process. */
  const isStopped = (id: string): boolean =>
    processesOf(engine, id, "python3").some((pid) =>
      /^\d+ \(python3\) [tT]/.test(readFileSync(`/proc/${pid}/stat`, "utf8")),
    );

  it(
    `under load for ${seconds} s, with orders and short idle times cycling the functions`,
    async () => {
      const deadline = Date.now() + seconds * 1_000;
      const going = (): boolean => Date.now() < deadline;
      const tallies = new Map<string, Tally>();
      const clients: Promise<void>[] = [];
      const start = (id: string, count: number, rest: (random: () => number) => number): void => {
        const tally: Tally = { counts: [], failures: [] };
        tallies.set(id, tally);
        for (let index = 0; index < count; index++) {
          const random = sequence(clients.length + 1);
          clients.push(client(port(id), tally, going, () => rest(random)));
        }
      };
      // Those that are put to sleep by order never rest; those that sleep when idle get a pause now and then.
      start("ordered", 3, (random) => 1 + 5 * random());
      start("frozen", 2, (random) => 1 + 5 * random());
      for (const id of idlers) start(id, 2, (random) => (random() < 0.15 ? 350 * random() : 4 * random()));

      const refused: string[] = [];
      let snapshots = 0;
      let suspends = 0;
      const order = async (id: string, action: "snapshot" | "suspend"): Promise<number> => {
        try {
          await engine.action(id, action);
          return 1;
        } catch (error) {
          refused.push((error as { code: string }).code);
          return 0;
        }
      };
      const orders = [
        (async () => {
          while (going()) {
            snapshots += await order("ordered", "snapshot");
            await pause(20);
          }
        })(),
        (async () => {
          while (going()) {
            suspends += await order("frozen", "suspend");
            await pause(20);
          }
        })(),
      ];
      await Promise.all([...clients, ...orders]);

      let total = 0;
      for (const [id, { counts, failures }] of tallies) {
        expect(failures, id).toEqual([]);
        // Every count once: none was lost in a sleep, none was served twice.
        expect(
          counts.toSorted((left, right) => left - right),
          id,
        ).toEqual(counts.map((_, index) => index + 1));
        total += counts.length;
      }
      expect(total).toBeGreaterThan(seconds * 50);
      expect(snapshots).toBeGreaterThan(seconds / 10);
      expect(suspends).toBeGreaterThan(seconds / 2);
      // An order may come too late for its state, or meet a client; nothing else may go wrong.
      const allowed = ["AE_CONNECTIONS_OPEN", "AE_INVALID_STATE_TRANSITION", "AE_DUMP_FAILED"];
      expect(refused.filter((code) => !allowed.includes(code))).toEqual([]);
      const tiers = new Set<string>();
      for (const id of idlers) {
        const view = await engine.function(id);
        expect(view.coldStarts, id).toBe(1);
        expect(view.exits, id).toBe(0);
        for (const event of engine.events)
          if (event.type === "wake" && event.functionId === id) tiers.add(event.tier);
        expect(errorsOf(engine, id), id).toEqual([]);
      }
      expect([...tiers].toSorted()).toEqual(["snapshot", "suspended"]);
    },
    (seconds + 30) * 1_000,
  );

  it("when a client connects in the middle of a dump: the sleep is turned round", async () => {
    const id = "turned";
    await engine.settled(id, "WarmSnapshot");
    const before = engine.events.length;
    await get(port(id));
    await engine.waitFor((event) => event.type === "wake" && event.functionId === id, "wake", 5_000, before);
    const from = engine.events.length;
    await until(() => isStopped(id), "the dump to have stopped it");
    expect((await get(port(id))).body.trim()).toBe(String(256 * 1024 * 1024));
    await engine.waitFor(
      (event) => event.type === "notice" && event.functionId === id && event.text.includes("going to sleep"),
      "the notice",
      5_000,
      from,
    );
    expect(engine.events.slice(from).filter(({ type }) => type === "wake")).toEqual([]);
    expect(errorsOf(engine, id)).toEqual([]);
    // Left alone it sleeps after all.
    await engine.settled(id, "WarmSnapshot", 15_000);
    expect((await get(port(id))).body.trim()).toBe(String(256 * 1024 * 1024));
  });

  it("when a client connects in the middle of a snapshot that was ordered: it is served by the wake", async () => {
    const id = "large";
    await get(port(id));
    const ordered = engine.action(id, "snapshot");
    await Promise.race([ordered, until(() => isStopped(id), "the dump to have stopped it")]);
    const answer = get(port(id));
    expect((await ordered).function.state).toBe("WarmSnapshot");
    expect((await answer).status).toBe(200);
  });

  it("when a client connects, and says what it wants only later", async () => {
    const id = "counter";
    await engine.settled(id, "WarmSnapshot");
    const socket = await open(port(id));
    await engine.settled(id, "Running");
    await pause(300);
    socket.write("GET / HTTP/1.0\r\n\r\n");
    expect(await nextChunk(socket)).toContain("200");
    socket.destroy();
  });

  it("when a client connects to a sleeping function and goes away again", async () => {
    const id = "counter";
    await engine.action(id, "snapshot");
    const from = engine.events.length;
    (await open(port(id))).resetAndDestroy();
    await engine.waitFor(
      (event) => event.type === "wake" && event.functionId === id,
      "the wake",
      5_000,
      from,
    );
    expect((await get(port(id))).status).toBe(200);
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("when clients come one after another while it wakes", async () => {
    const id = "counter";
    await engine.action(id, "snapshot");
    const from = engine.events.length;
    const answers: Promise<unknown>[] = [];
    for (let index = 0; index < 30; index++) {
      answers.push(get(port(id)).then(({ status }) => expect(status).toBe(200)));
      await pause(1);
    }
    await Promise.all(answers);
    expect(engine.events.slice(from).filter(({ type }) => type === "wake")).toHaveLength(1);
  });

  it("when it crashed in the middle of another request", async () => {
    const id = "crasher";
    for (const path of ["/crash", "/kill"]) {
      const from = engine.events.length;
      await expect(get(port(id), path)).rejects.toThrow(/ECONNRESET|without an answer/);
      // At once, whether the engine has noticed the end or not.
      expect((await get(port(id))).body).toBe("alive\n");
      await engine.waitFor((event) => event.type === "exit" && event.functionId === id, "exit", 5_000, from);
    }
    // Once may happen; again and again waits longer and longer, says so, and still answers.
    const error = await errorOf(engine, id, "AE_CRASH_LOOP");
    expect(error.data).toMatchObject({ function: id, failures: 2 });
    expect(Number(error.data["waitMs"])).toBeGreaterThan(0);
  });
});
