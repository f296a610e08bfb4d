/** Clients as the outside world has them: real sockets, one request a connection. */
import { connect } from "node:net";
import type { Socket } from "node:net";

export interface Answer {
  readonly status: number | null;
  readonly body: string;
  readonly firstByteMs: number;
}

/** One HTTP request over a connection of its own. Rejects when the connection is refused or reset. */
export function get(port: number, path = "/", host = "127.0.0.1", timeoutMs = 10_000): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const socket = connect({ port, host });
    const chunks: Buffer[] = [];
    let firstByteMs = 0;
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`no answer on port ${port} within ${timeoutMs} ms`)),
    );
    socket.once("connect", () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    );
    socket.on("data", (chunk: Buffer) => {
      if (chunks.length === 0) firstByteMs = performance.now() - startedAt;
      chunks.push(chunk);
    });
    socket.once("error", reject);
    socket.once("close", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
      const [head = "", ...rest] = text.split("\r\n\r\n");
      const raw = rest.join("\r\n\r\n");
      const body = /transfer-encoding: chunked/i.test(head) ? unchunk(raw) : raw;
      if (text === "") reject(new Error(`port ${port} closed without an answer`));
      else resolve({ status: status === undefined ? null : Number(status), body, firstByteMs });
    });
  });
}

function unchunk(text: string): string {
  let out = "";
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (end < 0 || !(size > 0)) return out;
    out += rest.slice(end + 2, end + 2 + size);
    rest = rest.slice(end + 2 + size + 2);
  }
}

/** Opens a connection and keeps it. */
export function open(port: number, host = "127.0.0.1"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Waits for the next chunk of a connection. */
export function nextChunk(socket: Socket, timeoutMs = 10_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no data")), timeoutMs);
    socket.once("data", (chunk: Buffer) => {
      clearTimeout(timer);
      resolve(chunk.toString("utf8"));
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
}
