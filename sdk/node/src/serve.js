/** Serving events: from the ring, and over HTTP on the trigger port. */
import { connect } from "node:net";
import { channel } from "./channel.js";
import { Runner } from "./handler.js";
import { serving } from "./hooks.js";
import { httpServer } from "./http.js";
import { ringLoop } from "./ring-loop.js";

/** @param {string} name @param {number} fallback */
const setting = (name, fallback) => Number(process.env[name] ?? fallback);

/** For a server of your own: tells the engine that it can serve. */
export async function ready() {
  const path = process.env.AETHER_SOCKET;
  if (path === undefined || path === "") return;
  await new Promise((resolve) => {
    const handshake = connect(path, () => handshake.end("READY"));
    // Started a second time in one sandbox: the engine has heard it before.
    handshake.once("error", resolve);
    handshake.once("close", resolve);
  });
}

/**
 * @param {(...args: any[]) => unknown} handler
 * @param {import("./index.d.ts").ServeOptions} [options]
 */
export async function serve(handler, options = {}) {
  const runner = new Runner(handler, options.concurrency ?? setting("AETHER_CONCURRENCY", 1));
  const timeoutMs = options.timeoutMs ?? setting("AETHER_TIMEOUT_MS", 30_000);
  const bodyLimit = options.bodyLimit ?? setting("AETHER_BODY_LIMIT", 6 * 1024 * 1024);
  const port = options.http === false ? undefined : process.env.AETHER_TRIGGER_PORT;
  if (port === undefined && channel() === null)
    throw new Error("there is neither a ring nor a trigger port: run this as a function of Aether");
  serving();
  const loop = ringLoop(runner, timeoutMs);
  const server = port === undefined ? null : httpServer(runner, { timeoutMs, bodyLimit });
  if (server !== null)
    await new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port: Number(port), host: process.env.AETHER_BIND ?? "0.0.0.0", backlog: 4096 }, () =>
        resolve(undefined),
      );
    });
  const ended = new Promise((resolve) => {
    process.once("SIGTERM", () => resolve(undefined));
  });
  await ready();
  await ended;
  // No new clients; what is under way is finished.
  server?.close();
  server?.closeIdleConnections();
  const underWay = () => !runner.idle || (loop?.outgoing.length ?? 0) > 0;
  while (underWay()) await new Promise((resolve) => setTimeout(resolve, 5));
  server?.closeIdleConnections();
  loop?.stop();
}
