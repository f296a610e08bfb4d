import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { connectToEngine } from "../../../src/client/control-client.ts";
import { ControlRequests } from "../../../src/client/control-requests.ts";
import { startControlServer } from "../../../src/engine/api/server.ts";
import type { ControlServer } from "../../../src/engine/api/server.ts";
import type { TapMessage } from "../../../src/protocol/tap.ts";
import type { StreamMessage } from "../../../src/protocol/control.ts";
import { AetherError } from "../../../src/protocol/errors.ts";
import { FakeCore } from "../../helpers/fake-core.ts";

interface Rig {
  readonly core: FakeCore;
  readonly server: ControlServer;
  readonly path: string;
  readonly requests: ControlRequests;
}

async function rig(orderDeadlineMs?: number): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), "aether-api-"));
  const path = join(dir, "control.sock");
  const core = new FakeCore();
  const server = await startControlServer({
    core,
    path,
    ...(orderDeadlineMs === undefined ? {} : { orderDeadlineMs }),
  });
  const requests = new ControlRequests("test", path);
  onTestFinished(async () => {
    requests[Symbol.dispose]();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });
  return { core, server, path, requests };
}

/** A request as any program could send it. */
function raw(
  path: string,
  method: string,
  target: string,
  body?: string,
  headers: Record<string, string> = {},
) {
  const answer = Promise.withResolvers<{ status: number; body: string }>();
  const request = httpRequest(
    { socketPath: path, method, path: target, headers, agent: false },
    (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => answer.resolve({ status: response.statusCode ?? 0, body: text }));
      response.on("error", answer.reject);
    },
  );
  request.on("error", answer.reject);
  request.end(body);
  return answer.promise;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("the awaited never came");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("control socket", () => {
  test("is 0600 in a folder of 0700, also where the folder was open", async ({ expect }) => {
    const dir = await mkdtemp(join(tmpdir(), "aether-api-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await chmod(dir, 0o755);
    await using server = await startControlServer({ core: new FakeCore(), path: join(dir, "control.sock") });
    expect((await stat(server.path)).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
  });

  test("replaces what a dead engine left, and removes itself", async ({ expect }) => {
    const dir = await mkdtemp(join(tmpdir(), "aether-api-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const path = join(dir, "control.sock");
    await writeFile(path, "stale");
    await writeFile(`${path}.new`, "stale");
    const server = await startControlServer({ core: new FakeCore(), path });
    using requests = new ControlRequests("test", path);
    expect((await requests.state()).engine.name).toBe("test");
    await server.close();
    await expect(stat(path)).rejects.toThrow("ENOENT");
  });

  test("a path too long for a socket is told", async ({ expect }) => {
    const path = `/tmp/${"x".repeat(120)}/control.sock`;
    await expect(startControlServer({ core: new FakeCore(), path })).rejects.toMatchObject({
      code: "AE_UNIX_SOCKET",
    });
  });

  test("every order reaches the core and its answer comes back", async ({ expect }) => {
    const { core, requests } = await rig();
    core.store.append("hello", "stdout", "one\ntwo");
    core.eventLog.append({ type: "notice", functionId: null, text: "hi" });
    expect((await requests.state()).functions.map((each) => each.id)).toEqual(["hello", "other"]);
    expect((await requests.logs("hello", 1)).map((line) => line.text)).toEqual(["two"]);
    expect(await requests.events(10)).toMatchObject([{ type: "notice", seq: 0 }]);
    expect(await requests.action("hello", "snapshot")).toMatchObject({
      durationMs: 12.5,
      function: { id: "hello" },
    });
    expect(await requests.reload()).toMatchObject({ added: ["new"] });
    expect(await requests.deploy("/srv/other.yaml")).toMatchObject({ changed: ["hello"] });
    await requests.shutdown();
    expect(core.calls).toEqual(["snapshot hello", "reload", "deploy /srv/other.yaml", "shutdown"]);
  });

  test("errors keep code, reason and hint on their way", async ({ expect }) => {
    const { core, requests } = await rig();
    core.onAction = () =>
      Promise.reject(
        new AetherError("AE_DUMP_FAILED", "cannot snapshot", { why: "io_uring", hint: "do", data: { x: 1 } }),
      );
    const failure = requests.action("hello", "snapshot");
    await expect(failure).rejects.toMatchObject({
      code: "AE_DUMP_FAILED",
      what: "cannot snapshot",
      why: "io_uring",
      hint: "do",
      data: { x: 1 },
    });
    await expect(requests.action("nobody", "wake")).rejects.toMatchObject({ code: "AE_UNKNOWN_FUNCTION" });
    await expect(requests.logs("nobody", 1)).rejects.toMatchObject({ code: "AE_UNKNOWN_FUNCTION" });
  });

  test("a defect of the core is AE_INTERNAL, and the socket goes on", async ({ expect }) => {
    const { core, requests } = await rig();
    core.onAction = () => Promise.reject(new TypeError("x is undefined"));
    await expect(requests.action("hello", "wake")).rejects.toMatchObject({ code: "AE_INTERNAL" });
    expect((await requests.state()).engine.name).toBe("test");
  });

  test.for([
    ["GET", "/", 404],
    ["GET", "/v1/functions/hello", 404],
    ["POST", "/v1/functions/hello/explode", 404],
    ["GET", "/v1/functions/hello/kill", 405],
    ["POST", "/v1/state", 405],
    ["POST", "/v1/connections", 405],
    ["DELETE", "/v1/reload", 405],
    ["POST", "/v1/functions/..%2f..%2fetc/kill", 400],
    ["POST", "/v1/functions/%ff/kill", 400],
    ["POST", `/v1/functions/${"a".repeat(49)}/kill`, 400],
    ["GET", "/v1/events?tail=-1", 400],
    ["GET", "/v1/events?tail=10001", 400],
    ["GET", "/v1/events?tail=1e3", 400],
    ["GET", "/v1/events?follow=yes", 400],
    ["GET", "/v1/stream?logs=a/b", 400],
    ["POST", "/v1/functions/nobody/kill", 404],
  ] as const)("%s %s is refused with %i", async ([method, target, status], { expect }) => {
    const { path } = await rig();
    const answer = await raw(path, method, target);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { kind: "user" } });
  });

  test("the counts of connections are answered as they are", async ({ expect }) => {
    const { core, requests } = await rig();
    core.counts = { atMs: 7, functions: [{ id: "hello", opened: 3, open: 1, lastChangeMs: 5 }] };
    expect(await requests.connections()).toEqual(core.counts);
  });

  test.for([
    ["not json", "{", 400],
    ["no file", "{}", 400],
    ["a relative file", '{"file":"a.yaml"}', 400],
    ["a body without bound", `{"file":"/${"x".repeat(2 * 1024 * 1024)}"}`, 413],
  ] as const)("a deploy with %s is refused", async ([, body, status], { expect }) => {
    const { core, path } = await rig();
    expect((await raw(path, "POST", "/v1/deploy", body)).status).toBe(status);
    expect(core.calls).toEqual([]);
  });

  test("another version of the protocol is refused", async ({ expect }) => {
    const { path } = await rig();
    const answer = await raw(path, "GET", "/v1/state", undefined, { "x-aether-control": "99" });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain("version 1");
  });

  test("an order that takes too long is answered, not held", async ({ expect }) => {
    const { core, requests } = await rig(30);
    core.onAction = () => new Promise(() => undefined);
    await expect(requests.action("hello", "snapshot")).rejects.toMatchObject({ code: "AE_ENGINE_LOST" });
  });
});

describe("stream", () => {
  test("greeting, state, past and then what changes, to every subscriber", async ({ expect }) => {
    const { core, path } = await rig();
    core.eventLog.append({ type: "notice", functionId: null, text: "before" });
    core.store.append("hello", "stdout", "old line");
    await using connection = await connectToEngine({
      engineName: "test",
      mode: "attached",
      socketPath: path,
    });
    const seen: StreamMessage[] = [];
    const late: StreamMessage[] = [];
    connection.subscribe((message) => void seen.push(message));
    await until(() => seen.length >= 5);
    const types = seen.map((message) => message.type);
    expect(types).toEqual(["hello", "state", "event", "logs", "invocations"]);
    connection.subscribe((message) => void late.push(message));
    expect(late.map((message) => message.type)).toEqual(["hello", "state"]);
    core.eventLog.append({ type: "notice", functionId: null, text: "after" });
    core.store.append("other", "stderr", "new line");
    await until(() => seen.length >= 7 && late.length >= 4);
    expect(late.slice(2)).toMatchObject([{ event: { text: "after" } }, { lines: [{ text: "new line" }] }]);
    expect(core.listenerCount).toBe(1);
  });

  test("a tap brings packets until its reader leaves, and then ends in the engine too", async ({
    expect,
  }) => {
    const { core, path } = await rig();
    const packet = { atMs: 1.5, interface: "lo", lengthBytes: 74, summary: "TCP [S]" };
    core.onTap = () => [{ type: "packets", packets: [packet], dropped: 3 }];
    await using connection = await connectToEngine({
      engineName: "test",
      mode: "attached",
      socketPath: path,
    });
    const seen: TapMessage[] = [];
    const stop = new AbortController();
    const tap = connection.tap({ port: 8080, interface: null }, stop.signal, (message) => seen.push(message));
    await until(() => seen.length > 0);
    expect(seen).toEqual([{ type: "packets", packets: [packet], dropped: 3 }]);
    expect(core.calls).toEqual(["tap 8080"]);
    stop.abort();
    await tap;
    await until(() => core.calls.includes("tap ended"));
  });

  test("a tap that cannot begin is refused with its error", async ({ expect }) => {
    const { core, path } = await rig();
    core.onTap = () => {
      throw new AetherError("AE_XSK_PERMISSION", "packets cannot be captured");
    };
    await using connection = await connectToEngine({
      engineName: "test",
      mode: "attached",
      socketPath: path,
    });
    const tap = connection.tap({ port: null, interface: null }, AbortSignal.timeout(5_000), () => undefined);
    await expect(tap).rejects.toMatchObject({ code: "AE_XSK_PERMISSION" });
  });

  test("invocations come to consoles alone: the last ones, then those that begin and end", async ({
    expect,
  }) => {
    const { core, path } = await rig();
    await using connection = await connectToEngine({
      engineName: "test",
      mode: "attached",
      socketPath: path,
    });
    const seen: string[] = [];
    connection.subscribe((message) => {
      if (message.type === "invocations") seen.push(...message.records.map(({ status }) => status));
    });
    await until(() => seen.length === 1);
    const [record] = core.invocations(null);
    if (record === undefined) throw new Error("no record");
    core.emit({ type: "invocations", records: [{ ...record, status: "running" }] });
    await until(() => seen.length === 2);
    expect(seen).toEqual(["ok", "running"]);
  });

  test("the engine's end in order closes with null, and a reader that leaves is forgotten", async ({
    expect,
  }) => {
    const { core, server, path } = await rig();
    const staying = await connectToEngine({ engineName: "test", mode: "attached", socketPath: path });
    const leaving = await connectToEngine({ engineName: "test", mode: "attached", socketPath: path });
    expect(core.listenerCount).toBe(2);
    await leaving[Symbol.asyncDispose]();
    expect(await leaving.closed).toBeNull();
    await until(() => core.listenerCount === 1);
    await server.close();
    expect(await staying.closed).toBeNull();
  });

  test("no engine is AE_ENGINE_NOT_RUNNING with the way to start one", async ({ expect }) => {
    const failure = connectToEngine({
      engineName: "ghost",
      mode: "attached",
      socketPath: "/tmp/no-such-dir/control.sock",
    });
    await expect(failure).rejects.toMatchObject({
      code: "AE_ENGINE_NOT_RUNNING",
      hint: expect.stringContaining("aether --engine ghost up") as string,
    });
  });

  test("logs -f: the tail, then new lines of that function only", async ({ expect }) => {
    const { core, requests } = await rig();
    core.store.append("hello", "stdout", "one\ntwo\nthree");
    const abort = new AbortController();
    const texts: string[] = [];
    for await (const message of requests.followLogs("hello", 2, abort.signal)) {
      if (message.type === "hello") queueMicrotask(() => core.store.append("other", "stdout", "not me"));
      if (message.type !== "logs") continue;
      texts.push(...message.lines.map((line) => line.text));
      if (texts.length === 2) core.store.append("hello", "stdout", "four");
      if (texts.length === 3) abort.abort();
    }
    expect(texts).toEqual(["two", "three", "four"]);
  });

  test("a reader that stalls never slows the engine, and learns what it missed", async ({ expect }) => {
    const { core, path } = await rig();
    const socket = connect(path);
    onTestFinished(() => void socket.destroy());
    socket.write("GET /v1/stream?logs=* HTTP/1.1\r\nhost: engine\r\n\r\n");
    await until(() => core.listenerCount === 1);
    socket.pause();
    const before = process.memoryUsage().rss;
    const startedAt = performance.now();
    for (let round = 0; round < 100; round += 1) {
      core.store.append("hello", "stdout", `${"z".repeat(990)}\n`.repeat(500));
      core.store.flush();
      core.emit({ type: "state", state: core.view() });
    }
    expect(performance.now() - startedAt).toBeLessThan(3000); // 50 MB of lines
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.resume();
    await until(() => text.includes("lines left out: this reader is too slow"));
    expect(text.length).toBeLessThan(12 * 1024 * 1024);
  });
});
