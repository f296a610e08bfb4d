/**
 * GET /metrics, from the stats region: a scrape never reaches the reactor. Read-only, a few connections at a time, every
 * one with a deadline.
 */
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { MetricsConfig } from "../../protocol/config.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import { metricsAddress } from "../../protocol/metrics-address.ts";
import { heartbeatAgeMs } from "../../protocol/stats-liveness.ts";
import { StatsReader } from "../../protocol/stats-reader.ts";
import type { StatsSnapshot } from "../../protocol/stats-reader.ts";
import { monotonicMs } from "../monotonic.ts";
import { describeListener } from "../port-owner.ts";
import { contentTypes, exposition } from "./exposition.ts";
import { families } from "./families.ts";
import { wantedFormat } from "./negotiate.ts";

const maxConnections = 32;

export interface MetricsServer extends AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
}

/**
 * Listens; scrapes are answered 503 until the region is there.
 * @throws AetherError AE_METRICS_UNAVAILABLE
 */
export async function startMetricsServer(
  { host, port }: MetricsConfig,
  statsFile: string,
): Promise<MetricsServer> {
  const region = new RegionSource(statsFile);
  const server = createServer(
    { maxHeaderSize: 8 * 1024, headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000 },
    (request, response) => answer(request, response, region),
  );
  server.maxConnections = maxConnections;
  await listen(server, host, port);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      // A scrape is answered in one step: whoever is connected now is idle, or sends slowly.
      server.closeAllConnections();
      await closed.promise;
      region[Symbol.dispose]();
    },
  };
}

/** Opens the region at the first scrape, and again where another file has taken its place. */
class RegionSource implements Disposable {
  readonly #path: string;
  #reader: StatsReader | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** `null` while there is no region. @throws AetherError AE_SHM_CORRUPTED */
  text(format: keyof typeof contentTypes): string | null {
    const snapshot = this.#snapshot();
    if (snapshot === null) return null;
    const openFds = readdirSync("/proc/self/fd").length - 1; // one is the folder itself
    const scrape = { snapshot, heartbeatAgeMs: heartbeatAgeMs(snapshot, monotonicMs()), openFds };
    return exposition(families, scrape, format);
  }

  #snapshot(): StatsSnapshot | null {
    this.#reader ??= StatsReader.open(this.#path);
    const snapshot = this.#reader?.read() ?? null;
    if (snapshot === null || snapshot.header.pid === process.pid) return snapshot;
    // What an engine that was killed has left; ours is still to come.
    this.#reader?.[Symbol.dispose]();
    this.#reader = null;
    return null;
  }

  [Symbol.dispose](): void {
    this.#reader?.[Symbol.dispose]();
  }
}

function answer(request: IncomingMessage, response: ServerResponse, region: RegionSource): void {
  const path = (request.url ?? "").split("?", 1)[0];
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, 405, "only GET is answered here\n");
  }
  if (path !== "/metrics") return send(response, 404, "metrics are at /metrics\n");
  const format = wantedFormat(request.headers.accept);
  try {
    const text = region.text(format);
    if (text === null) return send(response, 503, "the engine is starting\n");
    send(response, 200, text, contentTypes[format]);
  } catch (error) {
    const { code, message } = toAetherError(error);
    send(response, 503, `${code} ${message}\n`);
  }
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    vary: "accept",
  });
  response.end(text);
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ host, port, exclusive: true }, listening.resolve);
  try {
    await listening.promise;
  } catch (error) {
    throw unavailable(host, port, error as NodeJS.ErrnoException);
  }
}

function unavailable(host: string, port: number, cause: NodeJS.ErrnoException): AetherError {
  const taken = cause.code === "EADDRINUSE";
  const hint = taken
    ? "Give this engine an address of its own, `engine.metrics: {listen: 127.0.0.1:9091}`, or set `engine.metrics: off`."
    : "Name an address of this machine in `engine.metrics: {listen: ...}`, or set `engine.metrics: off`.";
  return new AetherError(
    "AE_METRICS_UNAVAILABLE",
    `metrics cannot be served on ${metricsAddress({ host, port })}`,
    {
      why: taken ? `the port is taken by ${describeListener(port)}` : (cause.code ?? cause.message),
      hint,
      data: { host, port },
      cause,
    },
  );
}
