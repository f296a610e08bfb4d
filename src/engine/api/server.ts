/** The control socket: HTTP over a unix socket that only its owner may open. */
import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { dirname } from "node:path";
import { AetherError } from "../../protocol/errors.ts";
import type { ControlCore } from "./control-core.ts";
import { handleRequest } from "./routes.ts";
import type { StreamWriter } from "./stream.ts";

export interface ControlServerOptions {
  readonly core: ControlCore;
  /** `enginePaths(name).controlSocket`; its engine holds the lock of that name, so what lies there is stale. */
  readonly path: string;
  readonly orderDeadlineMs?: number;
}

export interface ControlServer extends AsyncDisposable {
  readonly path: string;
  /** Ends the streams in order, then the connections, and removes the socket. */
  close(): Promise<void>;
}

/** sun_path of a unix socket is 108 bytes, the end mark and our ".new" included. */
const maxPathBytes = 103;

export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { core, path } = options;
  const streams = new Set<StreamWriter>();
  const routes = { core, orderDeadlineMs: options.orderDeadlineMs ?? 300_000, streams };
  const server = createServer(
    { maxHeaderSize: 16 * 1024, requestTimeout: 30_000, headersTimeout: 10_000 },
    (request, response) => {
      void handleRequest(routes, request, response);
    },
  );
  // Clients keep their connection; were it closed when idle, a request could cross the closing and be lost.
  server.keepAliveTimeout = 0;
  await listen(server, path);
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => (closing ??= shut(server, streams, path));
  return { path, close, [Symbol.asyncDispose]: close };
}

/**
 * A worker thread cannot set the umask, so the socket is made under another name in a folder that is ours alone, gets its
 * mode, and is renamed: nobody can open it earlier, and a stale socket is replaced in the same step.
 */
async function listen(server: Server, path: string): Promise<void> {
  const draft = `${path}.new`;
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new AetherError("AE_UNIX_SOCKET", `cannot make the control socket ${path}`, {
      why: `its path is longer than ${maxPathBytes} bytes`,
      hint: "Choose a shorter AETHER_RUNTIME_DIR.",
      data: { path },
    });
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    chmodSync(dirname(path), 0o700);
    rmSync(draft, { force: true });
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen({ path: draft }, listening.resolve);
    await listening.promise;
    server.off("error", listening.reject);
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } catch (error) {
    server.close();
    const why = error instanceof Error ? error.message : String(error);
    throw new AetherError("AE_UNIX_SOCKET", `cannot make the control socket ${path}`, {
      why,
      hint: "The folder must be writable; the engine runs as root.",
      data: { path },
      cause: error,
    });
  }
}

async function shut(server: Server, streams: ReadonlySet<StreamWriter>, path: string): Promise<void> {
  for (const stream of streams) stream.end();
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeIdleConnections();
  // A reader that does not read, or an order that hangs, does not hold up the engine's end.
  const timer = setTimeout(() => server.closeAllConnections(), 1000);
  await closed.promise;
  clearTimeout(timer);
  rmSync(path, { force: true });
}
