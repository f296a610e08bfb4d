import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InvocationStore } from "../../../../src/engine/invoke/invocation-store.ts";
import { Invocations } from "../../../../src/engine/invoke/invocations.ts";
import type { Delivered } from "../../../../src/engine/lifecycle/invoke.ts";
import { AetherError } from "../../../../src/protocol/errors.ts";
import type { InvocationRecord, InvokeOrder } from "../../../../src/protocol/invocations.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "aether-store-"));
  file = join(folder, "state", "invocations.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const patient = new AbortController().signal;

const order = (more: Partial<InvokeOrder> = {}): InvokeOrder => ({
  event: new Uint8Array(0),
  encoding: "json",
  timeoutMs: null,
  method: null,
  path: "/",
  headers: {},
  ...more,
});

describe("the record of invocations", () => {
  test("survives its engine; what was running then is lost", () => {
    {
      using store = new InvocationStore(file);
      store.begin("a", "hello", 1_000);
      store.begin("b", "other", 2_000);
      store.begin("c", "hello", 3_000);
      store.end("a", { durationMs: 12.5, tier: "snapshot", via: "ring", status: "ok", error: null });
      const error = { code: "AE_INVOKE_FAILED", message: "it threw" } as const;
      store.end("b", { durationMs: 1, tier: null, via: "http", status: "error", error });
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
    using store = new InvocationStore(file);
    expect(store.tail(null, 10)).toEqual([
      {
        id: "a",
        functionId: "hello",
        startedAtMs: 1_000,
        durationMs: 12.5,
        tier: "snapshot",
        via: "ring",
        status: "ok",
        error: null,
      },
      {
        id: "b",
        functionId: "other",
        startedAtMs: 2_000,
        durationMs: 1,
        tier: null,
        via: "http",
        status: "error",
        error: { code: "AE_INVOKE_FAILED", message: "it threw" },
      },
      {
        id: "c",
        functionId: "hello",
        startedAtMs: 3_000,
        durationMs: null,
        tier: null,
        via: null,
        status: "lost",
        error: null,
      },
    ]);
    expect(store.tail("hello", 1).map(({ id }) => id)).toEqual(["c"]);
    expect(store.find("b")?.functionId).toBe("other");
    expect(store.find("none")).toBeNull();
  });

  test("is bounded: the oldest go", () => {
    using store = new InvocationStore(file);
    for (let number = 0; number < 10_600; number++) store.begin(String(number), "f", number);
    const kept = store.tail(null, 20_000);
    expect(kept.length).toBeLessThanOrEqual(10_256);
    expect(kept.at(-1)?.id).toBe("10599");
  });

  test("a file that is no database is a typed error that names it", () => {
    const broken = join(folder, "broken.db");
    writeFileSync(broken, "this is no database, and long enough to be looked at".repeat(100));
    expect(() => new InvocationStore(broken)).toThrow(
      expect.objectContaining({ code: "AE_STORE_FAILED", data: { path: broken } }) as Error,
    );
  });
});

describe("an invocation", () => {
  const told: InvocationRecord[] = [];
  const service = (store: InvocationStore, deliver: () => Promise<Delivered>): Invocations =>
    new Invocations({
      store,
      deliver,
      now: () => 5_000,
      monotonic: () => performance.now(),
      onRecord: (record) => void told.push(record),
    });
  const answered = (body: Uint8Array): Delivered => ({
    tier: "snapshot",
    wakeMs: 8,
    answer: { encoding: "json", body },
  });

  test("ends with its result, as text or as base64", async () => {
    using store = new InvocationStore(file);
    const text = await service(store, () => Promise.resolve(answered(Buffer.from('{"ü":1}')))).begin(
      "f",
      order(),
      patient,
    ).result;
    expect(text).toMatchObject({
      functionId: "f",
      via: "ring",
      tier: "snapshot",
      wakeMs: 8,
      result: '{"ü":1}',
    });
    const bytes = Buffer.from([0xff, 0xfe]);
    const binary = await service(store, () => Promise.resolve(answered(bytes))).begin("f", order(), patient)
      .result;
    expect(binary).toMatchObject({ encoding: "base64", result: bytes.toString("base64") });
    expect(told.slice(0, 2)).toMatchObject([
      { id: text.id, status: "running", durationMs: null, startedAtMs: 5_000 },
      { id: text.id, status: "ok", tier: "snapshot", via: "ring" },
    ]);
    expect(store.tail("f", 5).map(({ status, tier }) => [status, tier])).toEqual([
      ["ok", "snapshot"],
      ["ok", "snapshot"],
    ]);
  });

  test("a failure is recorded by its code, whether somebody waits or not", async () => {
    using store = new InvocationStore(file);
    const failure = new AetherError("AE_INVOKE_CRASHED", "f: it ended");
    const { id, result } = service(store, () => Promise.reject(failure)).begin("f", order(), patient);
    await expect(result).rejects.toBe(failure);
    expect(store.find(id)).toMatchObject({ status: "error", error: { code: "AE_INVOKE_CRASHED" } });
  });

  test("of a handler that nobody waits for any more is recorded as given up", async () => {
    using store = new InvocationStore(file);
    const given = new AbortController();
    const { id, result } = service(store, () => new Promise(() => undefined)).begin(
      "f",
      order(),
      given.signal,
    );
    given.abort();
    await expect(result).rejects.toMatchObject({ code: "AE_INVOKE_ABORTED" });
    expect(store.find(id)).toMatchObject({ status: "error", error: { code: "AE_INVOKE_ABORTED" } });
  });

  test("of a server is a request, and its failures are told apart", async () => {
    using store = new InvocationStore(file);
    const server = createServer((request, response) => {
      switch (request.url) {
        case "/fail":
          response.writeHead(503).end("busy");
          return;
        case "/hang":
          return;
        case "/cut":
          response.writeHead(200, { "content-length": 100 }).write("half");
          setTimeout(() => response.destroy(), 20);
          return;
        case "/large":
          response.end(Buffer.alloc(7_000_000));
          return;
        default:
          request.pipe(
            response.writeHead(404, {
              "x-method": request.method,
              "x-kind": request.headers["content-type"] ?? "",
            }),
          );
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const invocations = service(store, () =>
      Promise.resolve({ tier: null, wakeMs: 0, answer: { http: port, host: "localhost" } }),
    );
    const call = (path: string, more: Partial<InvokeOrder> = {}, signal = patient) =>
      invocations.begin("f", order({ path, ...more }), signal).result;
    try {
      expect(await call("/", { event: Buffer.from("[1]") })).toMatchObject({
        via: "http",
        result: "[1]",
        http: { status: 404, headers: { "x-method": "POST" } },
      });
      expect((await call("/", { method: "DELETE" })).http?.headers["x-method"]).toBe("DELETE");
      const headers = { "content-type": "text/csv", "x-more": "1" };
      expect((await call("/", { event: Buffer.from("a,b"), headers })).http?.headers["x-kind"]).toBe(
        "text/csv",
      );
      // Given up: the request ends too.
      const given = new AbortController();
      const hanging = call("/hang", {}, given.signal);
      const [request] = (await once(server, "request")) as [IncomingMessage];
      const closed = once(request.socket, "close");
      given.abort();
      await expect(hanging).rejects.toMatchObject({ code: "AE_INVOKE_ABORTED" });
      await closed;
      await expect(call("/fail")).rejects.toMatchObject({
        code: "AE_INVOKE_FAILED",
        data: { httpStatus: 503 },
      });
      await expect(call("/hang", { timeoutMs: 100 })).rejects.toMatchObject({ code: "AE_INVOKE_TIMEOUT" });
      await expect(call("/cut")).rejects.toMatchObject({ code: "AE_INVOKE_CRASHED" });
      await expect(call("/large")).rejects.toMatchObject({ code: "AE_PAYLOAD_TOO_LARGE" });
    } finally {
      server.closeAllConnections();
      server.close();
    }
    await expect(call("/")).rejects.toMatchObject({ code: "AE_INVOKE_CRASHED" });
  });
});
