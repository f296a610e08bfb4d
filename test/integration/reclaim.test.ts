/** `idle.reclaim`: a suspended function's memory goes to swap, and is there again when somebody asks for it. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineEvent } from "../../src/protocol/events.ts";
import { aether } from "../helpers/command-line.ts";
import { TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { ask, errorsOf, processesOf, python, restless, until } from "../helpers/observe.ts";
import { makeSwap, swapMissing } from "../helpers/swap.ts";
import type { TestSwap } from "../helpers/swap.ts";

const missing = swapMissing();
const mib = 1024 ** 2;
type Reclaim = Extract<EngineEvent, { type: "reclaim" }>;

/** Anonymous memory and swap of the function's Python, bytes. */
function memoryOf(engine: TestEngine, id: string): { present: number; swapped: number } {
  const [pid = 0] = processesOf(engine, id, "python3");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1]);
  return { present: kib("RssAnon") * 1024, swapped: kib("VmSwap") * 1024 };
}

describe.skipIf(missing !== null)(`reclaim${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let swap: TestSwap;
  let engine: TestEngine;
  let functions: (Declaration & { trigger_port: number })[];
  const port = (id: string): number => functions.find((each) => each.id === id)?.trigger_port ?? 0;

  beforeAll(async () => {
    swap = makeSwap();
    const idle = { ...restless, reclaim: true };
    functions = [
      await python("given", "probe", { idle, start: "running" }),
      await python("limited", "probe", { idle, start: "running", memory_limit: "96MiB" }),
      await python("kept", "probe", { start: "running" }),
    ];
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
    const { path } = swap;
    swap[Symbol.dispose]();
    expect(readFileSync("/proc/swaps", "utf8")).not.toContain(path);
  });

  async function suspend(id: string): Promise<Reclaim> {
    const from = engine.events.length;
    await engine.action(id, "suspend");
    const event = await engine.waitFor(
      ({ type }) => type === "reclaim",
      `the memory of ${id} to be handed back`,
      20_000,
      from,
    );
    if (event.type !== "reclaim") throw new Error("not reached");
    expect(event).toMatchObject({ functionId: id, interrupted: false });
    return event;
  }

  it.each(["given", "limited"])(
    "%s: goes to swap while it is frozen, and comes back unharmed",
    async (id) => {
      const digest = await ask<string>(port(id), "/fill", { mib: "32", seed: id });
      const before = memoryOf(engine, id);
      expect(before.present).toBeGreaterThan(32 * mib);
      for (let round = 0; round < 3; round++) {
        const event = await suspend(id);
        expect(event.beforeBytes).toBeGreaterThan(32 * mib);
        expect(event.reclaimedBytes).toBeGreaterThan(0.9 * event.beforeBytes);
        const { present, swapped } = memoryOf(engine, id);
        expect(present).toBeLessThan(4 * mib);
        expect(swapped).toBeGreaterThan(32 * mib);
        expect(swap.usedBytes()).toBeGreaterThan(32 * mib);
        expect(await ask<string>(port(id), "/digest")).toBe(digest);
        expect(memoryOf(engine, id).present).toBeGreaterThan(32 * mib);
      }
      expect(errorsOf(engine, id)).toEqual([]);
    },
  );

  it("is told as an event, and its memory is not counted for it any more", async () => {
    await suspend("given");
    const view = await engine.settled("given", "Suspended");
    const awake = view.awakeMemoryBytes ?? 0;
    expect(awake).toBeGreaterThan(32 * mib);
    await until(
      async () => ((await engine.function("given")).instances[0]?.memoryBytes ?? awake) < awake - 30 * mib,
      "the figure of its memory to be published",
    );
  });

  it("what is in swap gets into a snapshot all the same", async () => {
    const digest = await ask<string>(port("given"), "/digest");
    await suspend("given");
    await engine.action("given", "snapshot");
    expect((await engine.settled("given", "WarmSnapshot")).snapshot?.sizeBytes).toBeGreaterThan(32 * mib);
    expect(await ask<string>(port("given"), "/digest")).toBe(digest);
    expect(errorsOf(engine, "given")).toEqual([]);
  });

  it("a client that comes in the middle is served, and the rest stays where it is", async () => {
    const id = "kept";
    engine.rewrite(
      functions.map((each) => (each.id === id ? { ...each, idle: { ...restless, reclaim: true } } : each)),
    );
    await engine.waitFor(({ type }) => type === "reload", "the reload", 20_000);
    const digest = await ask<string>(port(id), "/fill", { mib: "128", seed: "much" });
    const from = engine.events.length;
    await engine.action(id, "suspend");
    expect(await ask<string>(port(id), "/digest")).toBe(digest);
    const event = await engine.waitFor(({ type }) => type === "reclaim", "the end of it", 20_000, from);
    // Whether it was caught in the middle is a matter of time; that it ended, and what it says, is not.
    expect(event).toMatchObject({ functionId: id, type: "reclaim" });
    expect((await engine.function(id)).lastError).toBeNull();
  });

  it("without swap the configuration is refused, with its place", async () => {
    swap[Symbol.dispose]();
    try {
      const { code, stdout } = await aether(["validate", engine.configFile, "--json"], { env: engine.env });
      const report = JSON.parse(stdout) as { problems: { code: string; path: string; line: number }[] };
      expect(code).toBe(2);
      expect(report.problems.map((each) => each.code)).toEqual([
        "AE_CONFIG_NO_SWAP",
        "AE_CONFIG_NO_SWAP",
        "AE_CONFIG_NO_SWAP",
      ]);
      expect(report.problems[0]).toMatchObject({ path: "functions[0].idle.reclaim" });
      expect(report.problems[0]?.line).toBeGreaterThan(0);
    } finally {
      swap = makeSwap();
    }
  });
});
