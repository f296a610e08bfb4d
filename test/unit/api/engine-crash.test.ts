/** What a client sees when the engine dies, hangs up in the middle, or talks nonsense. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { connectToEngine } from "../../../src/client/control-client.ts";
import { ControlRequests } from "../../../src/client/control-requests.ts";

/** A socket that answers every connection with these bytes and then breaks it. */
async function answering(bytes: string, hangUp: boolean): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "aether-crash-"));
  const path = join(dir, "control.sock");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(bytes, () => hangUp && setTimeout(() => socket.destroy(), 20)));
    onTestFinished(() => void socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    server.close();
    await rm(dir, { recursive: true, force: true });
  });
  return path;
}

const head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const hello = (version: number): string =>
  chunk(`${JSON.stringify({ type: "hello", version, engine: "test" })}\n`);

describe("an engine that breaks", () => {
  test("in the middle of a stream: closed resolves with AE_ENGINE_LOST", async ({ expect }) => {
    const socketPath = await answering(head + hello(1) + chunk('{"type":"sta'), true);
    await using connection = await connectToEngine({ engineName: "test", mode: "attached", socketPath });
    expect(await connection.closed).toMatchObject({ code: "AE_ENGINE_LOST" });
  });

  test("before the greeting: the connection is refused", async ({ expect }) => {
    const socketPath = await answering(head, true);
    await expect(connectToEngine({ engineName: "test", mode: "attached", socketPath })).rejects.toMatchObject(
      { code: "AE_ENGINE_LOST" },
    );
  });

  test("of another version: told so", async ({ expect }) => {
    const socketPath = await answering(head + hello(99), false);
    const failure = connectToEngine({ engineName: "test", mode: "attached", socketPath });
    await expect(failure).rejects.toMatchObject({
      code: "AE_ENGINE_LOST",
      what: expect.stringContaining("version 99") as string,
    });
  });

  test("unknown kinds of message and heartbeats are ignored, nonsense is not", async ({ expect }) => {
    const socketPath = await answering(
      head + hello(1) + chunk('\n{"type":"future"}\n') + chunk("nonsense\n"),
      false,
    );
    await using connection = await connectToEngine({ engineName: "test", mode: "attached", socketPath });
    const types: string[] = [];
    connection.subscribe((message) => void types.push(message.type));
    expect(await connection.closed).toMatchObject({
      code: "AE_ENGINE_LOST",
      why: expect.stringContaining("not JSON") as string,
    });
    expect(types).toEqual(["hello"]);
  });

  test("in the middle of an answer", async ({ expect }) => {
    const path = await answering("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{", true);
    using requests = new ControlRequests("test", path);
    await expect(requests.state()).rejects.toMatchObject({ code: "AE_ENGINE_LOST" });
  });

  test("an error answer that is not ours", async ({ expect }) => {
    const path = await answering("HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops", true);
    using requests = new ControlRequests("test", path);
    await expect(requests.state()).rejects.toMatchObject({ code: "AE_ENGINE_LOST", why: "oops" });
  });
});
