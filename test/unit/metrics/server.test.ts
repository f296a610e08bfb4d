/** GET /metrics over a real socket. */
import { request } from "node:http";
import { createServer } from "node:net";
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { startMetricsServer } from "../../../src/engine/metrics/server.ts";
import { testRegion } from "../../helpers/stats-region.ts";

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

function fetchMetrics(port: number, method = "GET", path = "/metrics", accept?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = accept === undefined ? {} : { accept };
    const asked = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.once("end", () =>
        resolve({ status: response.statusCode, type: response.headers["content-type"], body }),
      );
    });
    asked.once("error", reject);
    asked.end();
  });
}

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), "aether-metrics-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "aether-test.stats");
}

async function serve(path: string) {
  const server = await startMetricsServer({ host: "127.0.0.1", port: 0 }, path);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

describe("the metrics server", () => {
  test("answers in the format that is asked for", async ({ expect }) => {
    const path = place();
    const region = testRegion(path);
    onTestFinished(() => region[Symbol.dispose]());
    const { port } = await serve(path);
    const plain = await fetchMetrics(port);
    expect(plain).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
    expect(plain.body).toContain("# TYPE function_restores_total counter\n");
    const open = await fetchMetrics(port, "GET", "/metrics?x=1", "application/openmetrics-text");
    expect(open).toMatchObject({
      status: 200,
      type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    });
    expect(open.body).toMatch(/# EOF\n$/);
    expect(await fetchMetrics(port, "HEAD")).toMatchObject({ status: 200, body: "" });
    expect((await fetchMetrics(port, "GET", "/")).status).toBe(404);
    expect((await fetchMetrics(port, "POST")).status).toBe(405);
  });

  test("says 503 with the reason while there is no region, and when it cannot be read", async ({
    expect,
  }) => {
    const path = place();
    const { port } = await serve(path);
    expect(await fetchMetrics(port)).toMatchObject({ status: 503, body: "the engine is starting\n" });
    const region = testRegion(path);
    onTestFinished(() => region[Symbol.dispose]());
    expect((await fetchMetrics(port)).status).toBe(200);
    truncateSync(path, 100);
    expect(await fetchMetrics(port)).toMatchObject({
      status: 503,
      body: expect.stringContaining("AE_SHM_CORRUPTED"),
    });
  });

  test("a port that is taken is an error that names who has it", async ({ expect }) => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(startMetricsServer({ host: "127.0.0.1", port }, place())).rejects.toMatchObject({
      code: "AE_METRICS_UNAVAILABLE",
      why: expect.stringContaining(`(pid ${process.pid})`),
      hint: expect.stringContaining("engine.metrics: off"),
    });
  });

  test("an address that this machine does not have is told", async ({ expect }) => {
    await expect(startMetricsServer({ host: "192.0.2.1", port: 9090 }, place())).rejects.toMatchObject({
      code: "AE_METRICS_UNAVAILABLE",
      why: "EADDRNOTAVAIL",
    });
  });
});
