/** The three ways to a handler that `aether bench ipc` compares, each as a function that sends and returns the echo. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { RingInvoker } from "../../dist/engine/ipc/ring-invoker.js";
import { RingLink } from "../../dist/engine/ipc/ring-link.js";
import { RingMemory, ringParts } from "../../dist/engine/ipc/ring-memory.js";
import { Epoll } from "../../dist/ffi/epoll.js";
import type { RingMessage } from "../../dist/engine/ipc/messages.js";
import type { AetherError } from "../../dist/protocol/errors.js";

const repository = fileURLToPath(new URL("../../", import.meta.url));

export type Way = "ring" | "unix" | "http";

export interface Peer extends AsyncDisposable {
  readonly way: Way;
  echo(payload: Uint8Array): Promise<Uint8Array>;
}

export const languages = {
  python: ["/usr/bin/python3", `${repository}test/bench/ipc-handler.py`],
  node: [process.execPath, `${repository}test/bench/ipc-handler.mjs`],
} as const satisfies Record<string, readonly [string, string]>;
export type Language = keyof typeof languages;

function start(
  language: Language,
  way: Way,
  place: string,
  env: Readonly<Record<string, string>>,
  descriptors: readonly number[],
): ChildProcess {
  const [program, script] = languages[language];
  return spawn(program, [script, way, place], {
    env: { ...process.env, PYTHONPATH: `${repository}sdk/python`, ...env },
    stdio: ["ignore", "inherit", "inherit", ...descriptors],
  });
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

export function ringPeer(language: Language): Peer {
  const epoll = new Epoll((error: unknown) => {
    throw error;
  });
  const memory = RingMemory.create("aether-bench-ipc-1");
  if (memory === undefined) throw new Error("no shared memory");
  const holder: { invoker: RingInvoker | null } = { invoker: null };
  const link = new RingLink({
    epoll,
    memory,
    identity: {
      instance: "ipc-1",
      generation: 1n,
      entropy: new Uint8Array(32),
      restored: false,
      wallClockMs: 0,
    },
    stand: { reqPosition: 0, resPosition: 0 },
    image: null,
    onMessage: (message: RingMessage) => holder.invoker?.take(message),
    onFailure: (error: AetherError) => holder.invoker?.fail(error),
  });
  const invoker = new RingInvoker("ipc", link);
  holder.invoker = invoker;
  const env = { AETHER_RING: ringParts.map((part, index) => `${part}=${index + 3}`).join(",") };
  const child = start(
    language,
    "ring",
    "-",
    env,
    memory.descriptors.map(({ fd }) => fd.number),
  );
  memory.closeTheirs();
  return {
    way: "ring",
    echo: async (payload) => (await invoker.invoke(payload, "raw", 10_000)).body,
    async [Symbol.asyncDispose]() {
      await end(child);
      link[Symbol.dispose]();
      epoll[Symbol.dispose]();
    },
  };
}

export async function unixPeer(language: Language, folder: string): Promise<Peer> {
  const path = `${folder}/${language}.sock`;
  const child = start(language, "unix", path, {}, []);
  await until(() => existsSync(path));
  const socket = connect(path);
  const waiting: ((payload: Uint8Array) => void)[] = [];
  let held: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= 4) {
      const length = 4 + held.readUInt32LE(0);
      if (held.length < length) break;
      waiting.shift()?.(held.subarray(4, length));
      held = held.subarray(length);
    }
  });
  return {
    way: "unix",
    echo: (payload) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        const message = Buffer.allocUnsafe(4 + payload.length);
        message.writeUInt32LE(payload.length, 0);
        message.set(payload, 4);
        socket.write(message);
      }),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await end(child);
    },
  };
}

export async function httpPeer(language: Language): Promise<Peer> {
  const port = await freePort();
  const child = start(
    language,
    "http",
    String(port),
    { AETHER_TRIGGER_PORT: String(port), AETHER_BIND: "127.0.0.1" },
    [],
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const options = { agent, port, host: "127.0.0.1", method: "POST" };
  const echo = (payload: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const headers = { "content-type": "application/octet-stream", "content-length": payload.length };
      const sent = request({ ...options, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve(Buffer.concat(chunks)));
      });
      sent.once("error", reject);
      sent.end(payload);
    });
  await until(() =>
    echo(new Uint8Array(1)).then(
      () => true,
      () => false,
    ),
  );
  return {
    way: "http",
    echo,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await end(child);
    },
  };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("a handler did not come up");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
