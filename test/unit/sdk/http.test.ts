import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { freePort, repository } from "../../helpers/engine.ts";
import { until } from "../../helpers/observe.ts";
import { RingHandler } from "../../helpers/ring-handler.ts";

const sdks: readonly [string, readonly [string, ...string[]]][] = [
  ["Python", ["/usr/bin/python3", `${repository}test/ring/handlers.py`, "web"]],
  ["Node", [process.execPath, `${repository}test/ring/handlers.mjs`, "web"]],
];

async function start(command: readonly [string, ...string[]], env: Record<string, string> = {}) {
  const port = await freePort();
  const handler = new RingHandler({
    command,
    env: { AETHER_TRIGGER_PORT: String(port), AETHER_BIND: "127.0.0.1", ...env },
  });
  for (const deadline = Date.now() + 9_000; ;) {
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return { handler, port };
    if (Date.now() > deadline) throw new Error(`it does not listen\n${handler.output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

async function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: Buffer; chunked?: boolean } = {},
): Promise<Answer> {
  const sent = request({
    port,
    host: "127.0.0.1",
    path,
    method: options.method ?? "GET",
    headers: options.headers ?? {},
    agent: false,
  });
  if (options.body !== undefined && options.chunked === true) sent.write(options.body.subarray(0, 10));
  sent.end(options.chunked === true ? options.body?.subarray(10) : options.body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let got = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (got += chunk));
  socket.write(text);
  await once(socket, "close");
  return got;
}

describe.each(sdks)("HTTP events in %s", (__, command) => {
  test("have the shape of Lambda's payload 2.0", async () => {
    const { handler, port } = await start(command);
    await using _ = handler;
    const { body, headers } = await ask(port, "/event?a=1&b=x%20y&a=2&empty=", {
      method: "POST",
      headers: {
        "Content-Type": "application/json; charset=utf-8",
        Cookie: "c=1; d=2",
        "X-Two": "1",
        "User-Agent": "test/1",
      },
      body: Buffer.from('{"ü":1}'),
    });
    const event = JSON.parse(body.toString()) as Record<string, unknown>;
    expect(event).toMatchObject({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/event",
      rawQueryString: "a=1&b=x%20y&a=2&empty=",
      queryStringParameters: { a: "1,2", b: "x y", empty: "" },
      cookies: ["c=1", "d=2"],
      headers: { "content-type": "application/json; charset=utf-8", "x-two": "1" },
      body: '{"ü":1}',
      isBase64Encoded: false,
      requestContext: {
        apiId: "ring",
        http: {
          method: "POST",
          path: "/event",
          protocol: "HTTP/1.1",
          sourceIp: "127.0.0.1",
          userAgent: "test/1",
        },
        stage: "$default",
        routeKey: "$default",
      },
    });
    expect(event["headers"]).not.toHaveProperty("cookie");
    const context = event["requestContext"] as { requestId: string; time: string; timeEpoch: number };
    expect(headers["x-request-id"]).toBe(context.requestId);
    expect(context.time).toMatch(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    expect(Math.abs(context.timeEpoch - Date.now())).toBeLessThan(10_000);
  });

  test("are binary safe, both ways", async () => {
    const { handler, port } = await start(command);
    await using _ = handler;
    const bytes = Buffer.from(Array.from({ length: 256 }, (__, byte) => byte));
    const { body } = await ask(port, "/event", { method: "PUT", body: bytes, chunked: true });
    const event = JSON.parse(body.toString()) as { body: string; isBase64Encoded: boolean };
    expect(event.isBase64Encoded).toBe(true);
    expect(Buffer.from(event.body, "base64")).toEqual(bytes);
    const answer = await ask(port, "/binary");
    expect(answer.status).toBe(201);
    expect(answer.headers["content-type"]).toBe("application/x-thing");
    expect(answer.body).toEqual(bytes);
  });

  test("any other result is a 200 with it as JSON", async () => {
    const { handler, port } = await start(command);
    await using _ = handler;
    expect(JSON.parse((await ask(port, "/plain")).body.toString())).toEqual({ any: "value" });
    const text = await ask(port, "/text");
    expect(text.status).toBe(200);
    expect(text.headers["content-type"]).toBe("application/json");
    expect(text.body.toString()).toBe("hello");
    expect((await ask(port, "/none")).status).toBe(404);
  });

  test("cookies are several headers, a streamed body comes in chunks, HEAD has none", async () => {
    const { handler, port } = await start(command);
    await using _ = handler;
    const cookies = await ask(port, "/cookies");
    expect(cookies.status).toBe(204);
    expect(cookies.headers["set-cookie"]).toEqual(["a=1; Path=/", "b=2"]);
    const stream = await ask(port, "/stream");
    expect(stream.headers["transfer-encoding"]).toBe("chunked");
    expect(stream.body).toHaveLength(10 * 20_000 + 10 * 30_000);
    expect((await ask(port, "/text", { method: "HEAD" })).body).toHaveLength(0);
  });

  test("a failure is a 500 with a request id, and its details only in the log", async () => {
    const { handler, port } = await start(command);
    await using _ = handler;
    for (const path of ["/fail", "/wrong"]) {
      const { status, body, headers } = await ask(port, path);
      expect(status).toBe(500);
      const said = JSON.parse(body.toString()) as { message: string; requestId: string };
      expect(said.message).toBe("Internal Server Error");
      expect(said.requestId).toBe(headers["x-request-id"]);
      expect(body.toString()).not.toContain("secret");
      await until(() => handler.output.includes(said.requestId), "its line in the log");
    }
    await until(() => handler.output.includes("a secret detail"), "the detail in the log");
  });

  test("a time limit is a 504, a body above the limit a 413", async () => {
    const { handler, port } = await start(command, { AETHER_TIMEOUT_MS: "300", AETHER_BODY_LIMIT: "1000" });
    await using _ = handler;
    expect((await ask(port, "/slow")).status).toBe(504);
    expect((await ask(port, "/text", { method: "POST", body: Buffer.alloc(1_000) })).status).toBe(200);
    expect((await ask(port, "/text", { method: "POST", body: Buffer.alloc(1_001) })).status).toBe(413);
    expect(
      (await ask(port, "/text", { method: "POST", body: Buffer.alloc(3_000), chunked: true })).status,
    ).toBe(413);
  });

  test("a connection carries several requests, also sent at once, and nonsense ends it", async () => {
    const { handler, port } = await start(command);
    await using _ = handler;
    const two = await talk(
      port,
      "GET /text HTTP/1.1\r\nHost: x\r\n\r\nGET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    expect(two.match(/HTTP\/1.1 200/g)).toHaveLength(2);
    expect(await talk(port, "GARBAGE\r\n\r\n")).toContain("400 Bad Request");
    const smuggled =
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect(await talk(port, smuggled)).toContain("400 Bad Request");
    expect((await ask(port, "/text")).status).toBe(200);
  });
});
