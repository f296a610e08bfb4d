/** Event functions in their sandboxes: invoked over the ring and over HTTP, asleep and awake, with hooks. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlRequests } from "../../src/client/control-requests.ts";
import type { InvokeOrder, InvokeResponse } from "../../src/protocol/invocations.ts";
import { get } from "../helpers/clients.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { outputLines, restless, until } from "../helpers/observe.ts";

interface Said {
  readonly count: number;
  readonly log: readonly string[];
  readonly generation: number;
  readonly restored: boolean;
  readonly instance: string;
  readonly entropy: string;
}

const order = (event: unknown, more: Partial<InvokeOrder> = {}): InvokeOrder => ({
  event: event === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(event)),
  encoding: "json",
  timeoutMs: null,
  method: null,
  path: "/",
  headers: {},
  ...more,
});

let engine: TestEngine;
let requests: ControlRequests;
const ports = { python: 0, node: 0 };

function declare(
  id: "python" | "node",
  more: Readonly<Record<string, unknown>> = {},
): Declaration & { readonly id: string } {
  return {
    id,
    handler: { runtime: id, entry: "app.handle", timeout: "5s" },
    cwd: fixture(`events-${id}`),
    trigger_port: ports[id],
    idle: restless,
    ...(id === "python" ? { env: { PATH: "/usr/bin:/bin" } } : {}),
    ...more,
  };
}

async function invoke(id: string, event?: unknown, more: Partial<InvokeOrder> = {}): Promise<Said> {
  return JSON.parse((await requests.invoke(id, order(event, more))).result) as Said;
}

beforeAll(async () => {
  ports.python = await freePort();
  ports.node = await freePort();
  engine = await TestEngine.start({
    functions: [
      declare("python"),
      declare("node"),
      declare("python", { id: "golden", trigger_port: await freePort(), sleep: "golden" }),
      declare("node", { id: "unreached", trigger_port: undefined }),
      declare("python", {
        id: "sleepy",
        trigger_port: undefined,
        start: "running",
        idle: { suspend_after: "200ms", snapshot_after: "never" },
      }),
      declare("node", {
        id: "busy",
        trigger_port: undefined,
        start: "running",
        connections: "close",
        idle: { suspend_after: "500ms", snapshot_after: "never", ignore_open: true },
      }),
      declare("node", { id: "lame", trigger_port: undefined, start: "running" }),
      {
        id: "server",
        command: "/usr/bin/python3 handler.py",
        cwd: fixture("hello-python"),
        trigger_port: await freePort(),
        idle: restless,
      },
    ],
  });
  requests = new ControlRequests(engine.name, join(engine.folder, "run", engine.name, "control.sock"));
}, 60_000);

afterAll(async () => {
  requests[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
  expect(engine.leftovers()).toEqual([]);
});

describe.each(["python", "node"] as const)("an event function in %s", (id) => {
  test("is woken by an invocation, keeps its memory, and knows that it was woken", async () => {
    // The SDK's libraries are on the list of those whose memory may be mapped.
    expect((await engine.settled(id, "WarmSnapshot")).snapshot?.image).toBe("mapped");
    const response = await requests.invoke(id, order({ do: "look" }));
    expect(response).toMatchObject({ functionId: id, via: "ring", tier: "snapshot", http: null });
    expect(response.wakeMs).toBeGreaterThan(0);
    const first = JSON.parse(response.result) as Said;
    expect(first).toMatchObject({ count: 1, log: ["before", "after"], restored: true });
    expect((await requests.invoke(id, order({ do: "look" }))).tier).toBeNull();
    await engine.action(id, "snapshot");
    const third = await invoke(id, { do: "look" });
    expect(third.count).toBe(3);
    expect(third.log).toEqual(["before", "after", "before", "after"]);
    expect(third.generation).toBeGreaterThan(first.generation);
    expect(third.instance).not.toBe(first.instance);
    expect(third.entropy).not.toBe(first.entropy);
  });

  test("answers HTTP on its trigger port, asleep as awake, and is the same process", async () => {
    const before = await invoke(id);
    await engine.action(id, "snapshot");
    const { status, body } = await get(ports[id], "/x");
    expect(status).toBe(200);
    expect((JSON.parse(body) as Said).count).toBe(before.count + 1);
  });

  test("is thawed by an invocation when it is suspended", async () => {
    await invoke(id);
    await engine.action(id, "suspend");
    expect((await requests.invoke(id, order(null))).tier).toBe("suspended");
  });

  test("a failure, a time-out, a crash and an oversize event are told apart", async () => {
    await expect(requests.invoke(id, order({ do: "fail" }))).rejects.toMatchObject({
      code: "AE_INVOKE_FAILED",
    });
    await engine.action(id, "snapshot");
    await expect(
      requests.invoke(id, order({ do: "sleep", seconds: 20 }, { timeoutMs: 200 })),
    ).rejects.toMatchObject({ code: "AE_INVOKE_TIMEOUT", what: `${id}: no result within 200 ms` });
    await expect(requests.invoke(id, order({ do: "exit" }))).rejects.toMatchObject({
      code: "AE_INVOKE_CRASHED",
    });
    await expect(
      requests.invoke(id, order(undefined, { event: Buffer.alloc(7_000_000), encoding: "raw" })),
    ).rejects.toMatchObject({ code: "AE_PAYLOAD_TOO_LARGE" });
    await expect(requests.invoke("nobody", order(null))).rejects.toMatchObject({
      code: "AE_UNKNOWN_FUNCTION",
    });
    expect((await invoke(id)).restored).toBe(true);
    const records = await requests.invocations(id, 4);
    expect(records.map(({ error }) => error?.code ?? "ok")).toEqual([
      "AE_INVOKE_FAILED",
      "AE_INVOKE_TIMEOUT",
      "AE_INVOKE_CRASHED",
      "ok",
    ]);
    expect(records.map(({ via }) => via)).toEqual(["ring", "ring", "ring", "ring"]);
    expect(records.map(({ tier }) => tier)).toEqual([null, "snapshot", null, "snapshot"]);
  });

  test("an invocation that nobody waits for is recorded", async () => {
    const { id: invocation } = await requests.invokeAsync(id, order({ do: "sleep", seconds: 0.1 }));
    const find = async () => (await requests.invocations(id, 10)).find((record) => record.id === invocation);
    expect(await find()).toBeDefined();
    await until(async () => (await find())?.status === "ok", "the invocation to end");
    expect((await find())?.durationMs).toBeGreaterThan(90);
  });

  test("a hook that throws refuses the snapshot with its reason, and the function runs on", async () => {
    await invoke(id, { do: "touch", path: "/tmp/refuse" });
    await expect(engine.action(id, "snapshot")).rejects.toMatchObject({
      code: "AE_HOOK_REFUSED",
      why: expect.stringContaining("the file /tmp/refuse is there") as string,
    });
    expect((await engine.function(id)).state).toBe("Running");
    expect((await invoke(id)).log.slice(-2)).toEqual(["before", "after"]);
  });
});

test("a function without a port is reached by invocation alone", async () => {
  await engine.settled("unreached", "WarmSnapshot");
  expect(await invoke("unreached", { any: 1 })).toMatchObject({ count: 1, restored: true });
  await engine.action("unreached", "snapshot");
  expect(await invoke("unreached", { any: 1 })).toMatchObject({ count: 2 });
});

test("somebody who waits for a result keeps a function awake; when nobody does, it sleeps", async () => {
  await engine.settled("sleepy", "Suspended");
  const from = engine.events.length;
  expect((await requests.invoke("sleepy", order({ do: "sleep", seconds: 0.7 }))).tier).toBe("suspended");
  const suspends = engine.events
    .slice(from)
    .filter((event) => event.type === "transition" && event.functionId === "sleepy");
  expect(suspends).toHaveLength(1);
  await engine.settled("sleepy", "Suspended");
});

test("an invocation keeps a function awake that ignores open connections, and no order for a snapshot loses its result", async () => {
  await engine.settled("busy", "Suspended");
  const from = engine.events.length;
  const work = order({ do: "sleep", seconds: 1.5 });
  const { id: unwaited } = await requests.invokeAsync("busy", work);
  await until(async () => (await engine.function("busy")).state === "Running", "the event to wake it");
  await expect(engine.action("busy", "snapshot")).rejects.toMatchObject({
    code: "AE_CONNECTIONS_OPEN",
    why: "it is at work on 1 invocation",
  });
  const record = async () => (await requests.invocations("busy", 5)).find(({ id }) => id === unwaited);
  await until(async () => (await record())?.status === "ok", "the invocation to end");
  const suspends = engine.events
    .slice(from)
    .filter(
      (event) => event.type === "transition" && event.functionId === "busy" && event.to === "Suspended",
    );
  expect(suspends).toEqual([]);
  await engine.settled("busy", "Suspended");
});

test("a hook that fails after a restore ends the instance, and says why", async () => {
  await invoke("lame", { do: "touch", path: "/tmp/fail-after" });
  await engine.action("lame", "snapshot");
  await expect(invoke("lame")).rejects.toMatchObject({
    code: "AE_HOOK_FAILED",
    why: expect.stringContaining("/tmp/fail-after") as string,
  });
  expect((await engine.function("lame")).state).toBe("WarmSnapshot");
});

test("a plain server is invoked by a request, and takes no notice of rings", async () => {
  const response: InvokeResponse = await requests.invoke("server", order(undefined, { path: "/" }));
  expect(response).toMatchObject({ via: "http", tier: "snapshot", http: { status: 200 } });
  expect(response.result).toContain("hello");
});

test("golden: every wake is a clone of the first image, with hooks, and nothing drawn twice", async () => {
  await engine.settled("golden", "WarmSnapshot");
  const seen: Said[] = [];
  for (let wake = 0; wake < 3; wake++) {
    seen.push(await invoke("golden"));
    await engine.action("golden", "snapshot");
  }
  expect(seen.map(({ count }) => count)).toEqual([1, 1, 1]);
  expect(seen.map(({ log }) => log)).toEqual(seen.map(() => ["before", "after"]));
  expect(new Set(seen.map(({ entropy }) => entropy)).size).toBe(3);
});

test("what a handler prints is in its log", async () => {
  expect(await invoke("python", { do: "say" })).toHaveProperty("count");
  await until(async () => (await outputLines(engine, "python")).includes("said to stderr"), "the line");
});
