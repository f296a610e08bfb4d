import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { repository } from "../../helpers/engine.ts";
import { until } from "../../helpers/observe.ts";
import { RingHandler } from "../../helpers/ring-handler.ts";

type Sdk = readonly [string, (name: string) => readonly [string, ...string[]]];
const sdks: readonly Sdk[] = [
  ["Python", (name) => ["/usr/bin/python3", `${repository}test/ring/handlers.py`, name]],
  ["Node", (name) => [process.execPath, `${repository}test/ring/handlers.mjs`, name]],
  // What a machine's own Node is: it must be 20 at least.
  ...(existsSync("/usr/bin/node")
    ? [
        [
          "the machine's Node",
          (name) => ["/usr/bin/node", `${repository}test/ring/handlers.mjs`, name],
        ] satisfies Sdk,
      ]
    : []),
];

describe.each(sdks)("events over the ring in %s", (_, command) => {
  test("come with a context, and results go back", async () => {
    await using handler = new RingHandler({ command: command("facts") });
    const facts = (await handler.json({ a: [1, "ü", null] })) as Record<string, unknown>;
    expect(facts).toMatchObject({
      function: "ring",
      instance: "ring-1",
      generation: 1,
      restored: false,
      event: { a: [1, "ü", null] },
    });
    expect(facts["entropy"]).toMatch(/^[0-9a-f]{64}$/);
    expect(facts["remaining"]).toBeGreaterThan(5_000);
  });

  test("are limited by nothing but six megabytes: longer ones go in parts, both ways", async () => {
    await using handler = new RingHandler({ command: command("echo") });
    const long = Buffer.alloc(3_000_000, "0123456789abcdef");
    expect(Buffer.from(await handler.raw(long)).equals(long)).toBe(true);
    await expect(handler.raw(Buffer.alloc(7_000_000))).rejects.toMatchObject({
      code: "AE_PAYLOAD_TOO_LARGE",
    });
    expect(await handler.json({ still: "there" })).toEqual({ still: "there" });
  });

  test("an empty event is null, and an empty result is one", async () => {
    await using handler = new RingHandler({ command: command("echo") });
    const answer = await handler.invoker.invoke(new Uint8Array(0), "json", 5_000);
    expect(Buffer.from(answer.body).toString()).toBe("null");
    expect(await handler.raw(new Uint8Array(0))).toHaveLength(0);
  });

  test("a handler that throws is a failure with its type and words, and serves on", async () => {
    await using handler = new RingHandler({ command: command("fail") });
    await expect(handler.json("x")).rejects.toMatchObject({
      code: "AE_INVOKE_FAILED",
      why: expect.stringMatching(/^(ValueError|RangeError): no good: x$/) as string,
    });
    await expect(handler.json("y")).rejects.toMatchObject({ code: "AE_INVOKE_FAILED" });
    await until(() => handler.output.includes("no good: x"), "its words in the log");
  });

  test("a result that is no JSON is a failure", async () => {
    await using handler = new RingHandler({ command: command("not_json") });
    await expect(handler.json(null)).rejects.toMatchObject({ code: "AE_INVOKE_FAILED" });
  });

  test("a handler that is too slow is told apart, and serves on", async () => {
    await using handler = new RingHandler({ command: command("slow") });
    await expect(handler.json({ seconds: 20 }, 200)).rejects.toMatchObject({ code: "AE_INVOKE_TIMEOUT" });
    expect(await handler.json({ seconds: 0 })).toBe("done");
  });

  test("an async handler with concurrency runs several at once", async () => {
    await using handler = new RingHandler({ command: command("later"), env: { AETHER_CONCURRENCY: "8" } });
    await handler.json({ name: "warm", seconds: 0 });
    const order: unknown[] = [];
    const ask = async (name: string, seconds: number): Promise<void> => {
      order.push(await handler.json({ name, seconds }));
    };
    await Promise.all([ask("slow", 0.4), ask("middle", 0.2), ask("quick", 0.01)]);
    expect(order).toEqual(["quick", "middle", "slow"]);
  });

  test("SIGTERM lets what is under way finish", async () => {
    await using handler = new RingHandler({ command: command("slow") });
    await handler.json({ seconds: 0 });
    const result = handler.json({ seconds: 0.3 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    handler.child.kill("SIGTERM");
    expect(await result).toBe("done");
    expect(await handler.exited).toBe(0);
  });
});

test.each([
  ["head beyond what fits", { 0: 2 ** 40 }],
  ["head off the grid", { 0: 13 }],
  ["an entry with a wrong checksum", { 0: 16, 3: 8 }],
  ["an entry longer than what was written", { 0: 16, 3: 4_000 }],
  ["an entry that is no message", { 0: 8, 3: 0 }],
])("a hostile handler: %s closes its ring, and whoever waits is told", async (_, words) => {
  await using handler = new RingHandler({
    command: ["/usr/bin/python3", `${repository}test/ring/handlers.py`, "scribble"],
  });
  const codes = ["AE_SHM_CORRUPTED", "AE_RING_CHECKSUM"];
  const failed: unknown = await handler.json(words).catch((error: unknown) => error);
  expect(codes).toContain((failed as { code?: string }).code);
  expect(codes).toContain(handler.failure?.code);
  await expect(handler.json(null)).rejects.toBe(handler.failure);
});

describe.each(sdks)("hooks in %s", (_, command) => {
  test("run before in reverse and after forward, and are acknowledged", async () => {
    await using handler = new RingHandler({ command: command("hooks") });
    const first = (await handler.json(null)) as { log: string[] };
    expect(first.log).toEqual([]);
    expect(handler.link.registration).toEqual({ attached: true, hooks: true, events: true });
    expect(await handler.link.command("beforeSnapshot", 5_000)).toBeNull();
    expect(await handler.link.command("afterRestore", 5_000)).toBeNull();
    const { log } = (await handler.json(null)) as { log: string[] };
    expect(log).toEqual(["before 2", "before 1", "after 1", "after 2"]);
  });

  test("one that throws refuses the snapshot with its reason, and the process goes on", async () => {
    await using handler = new RingHandler({ command: command("hooks"), env: { REFUSE: "/" } });
    await handler.json(null);
    const answer = await handler.link.command("beforeSnapshot", 5_000);
    expect(answer).toEqual({ refused: expect.stringMatching(/second: (Runtime)?Error: not now/) as string });
    const { log } = (await handler.json(null)) as { log: string[] };
    expect(log).toEqual(["before 2", "after 1", "after 2"]);
  });

  test("a process that ends instead of answering is not waited for", async () => {
    await using handler = new RingHandler({ command: command("hooks") });
    await handler.json(null);
    handler.child.kill("SIGSTOP");
    const answer = handler.link.command("beforeSnapshot", 8_000);
    handler.child.kill("SIGKILL");
    await handler.exited;
    handler.link[Symbol.dispose]();
    expect(await answer).toEqual({ refused: "its process ended" });
  });

  test("a process that does not answer is late, not waited for for ever", async () => {
    await using handler = new RingHandler({ command: command("hooks") });
    await handler.json(null);
    handler.child.kill("SIGSTOP");
    expect(await handler.link.command("beforeSnapshot", 100)).toBe("late");
    handler.child.kill("SIGCONT");
  });
});
