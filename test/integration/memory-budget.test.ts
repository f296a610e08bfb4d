/** `engine.memory_budget`: what nobody uses becomes a snapshot when memory is short, the least recently used first. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, open } from "../helpers/clients.ts";
import { TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { ask, errorsOf, pause, python, restless, until } from "../helpers/observe.ts";

const mib = 1024 ** 2;

describe("memory budget", () => {
  let engine: TestEngine;
  let functions: (Declaration & { trigger_port: number })[];
  const port = (id: string): number => functions.find((each) => each.id === id)?.trigger_port ?? 0;

  const reload = async (engineSettings: Readonly<Record<string, unknown>>): Promise<void> => {
    const from = engine.events.length;
    engine.rewrite(functions, engineSettings);
    await engine.waitFor(({ type }) => type === "reload", "the reload", 20_000, from);
  };

  /** Those that went down by the budget since an event, in their order. */
  const demoted = (from: number): string[] =>
    engine.events
      .slice(from)
      .flatMap((event) =>
        event.type === "transition" && event.cause === "memory budget"
          ? [`${event.functionId}: ${event.from}`]
          : [],
      );

  beforeAll(async () => {
    // An automatic sleep by time is as good as never; only the budget moves them.
    const idle = { suspend_after: "never", snapshot_after: "1h" };
    // Memory that is mapped from an image is not the function's own, and would not count after the first wake.
    functions = [
      ...(await Promise.all(
        ["a", "b", "c", "d"].map((id) => python(id, "probe", { idle, start: "running", image: "stock" })),
      )),
      await python("stays", "probe", { idle: restless, start: "running" }),
    ];
    engine = await TestEngine.start({ functions });
    for (const id of ["a", "b", "c", "d"]) await ask(port(id), "/fill", { mib: "40", seed: id });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  it("takes suspended ones first, then idle running ones, the least recently used first, and no more than needed", async () => {
    // Used in this order: d, c, b, a. Then b is suspended: it goes first although a was used before... none of it matters for it.
    for (const id of ["d", "c", "b", "a"]) await get(port(id), "/digest");
    await engine.action("b", "suspend");
    const from = engine.events.length;
    // Four times 40 MiB and the interpreters: two have to go.
    await reload({ memory_budget: "130MiB" });
    await until(() => demoted(from).length >= 2, "two to go down");
    await pause(1_500);
    expect(demoted(from)).toEqual(["b: Suspended", "d: Running"]);
    for (const id of ["a", "c"]) expect((await engine.function(id)).state).toBe("Running");
    expect(errorsOf(engine, "b")).toEqual([]);
  });

  it("leaves alone what is in use, and what may not become a snapshot", async () => {
    const from = engine.events.length;
    const socket = await open(port("c"));
    await reload({ memory_budget: "8MiB" });
    await until(() => demoted(from).length > 0, "one to go down");
    await engine.waitFor(
      (event) => event.type === "notice" && event.text.includes("memory_budget"),
      "the notice that nothing is left to go",
      10_000,
      from,
    );
    expect(demoted(from)).toEqual(["a: Running"]);
    expect((await engine.function("c")).state).toBe("Running");
    expect((await engine.function("stays")).state).toBe("Running");
    socket.destroy();
    await until(() => demoted(from).length > 1, "the other to go down after its client");
    expect(demoted(from)).toEqual(["a: Running", "c: Running"]);
  });

  it("what has gone down wakes as ever, with its memory, and goes down again when it is idle", async () => {
    const from = engine.events.length;
    const digest = await ask<string>(port("a"), "/digest");
    await until(() => demoted(from).length > 0, "it to go down again");
    expect(await ask<string>(port("a"), "/digest")).toBe(digest);
    await until(() => demoted(from).length > 1, "it to go down again");
    expect(new Set(demoted(from))).toEqual(new Set(["a: Running"]));
    expect(errorsOf(engine, "a")).toEqual([]);
  });

  it("memory that grows without an event is noticed, and without a budget nothing goes down", async () => {
    await reload({});
    await engine.action("b", "wake");
    await pause(1_500);
    const from = engine.events.length;
    expect((await engine.function("b")).state).toBe("Running");
    const before = (await engine.function("stays")).instances[0]?.memoryBytes ?? 0;
    await reload({ memory_budget: `${Math.ceil(before / mib) + 90}MiB` });
    await pause(1_500);
    expect(demoted(from)).toEqual([]);
    await ask(port("stays"), "/fill", { mib: "60", seed: "more" });
    await until(() => demoted(from).length > 0, "the budget to notice");
    expect(demoted(from)).toEqual(["b: Running"]);
  });
});
