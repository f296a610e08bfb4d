/** /metrics of a real engine, and two engines on one machine. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { ControlRequests } from "../../src/client/control-requests.ts";
import { get } from "../helpers/clients.ts";
import { aether, eventually } from "../helpers/command-line.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import { python, restless } from "../helpers/observe.ts";
import type { Declaration } from "../helpers/engine.ts";
import { checkMetrics } from "../helpers/promtool.ts";

/** Values by series, as `name{label="value"}`. */
function seriesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe("metrics", () => {
  let engine: TestEngine;
  let counter: Declaration & { readonly trigger_port: number };
  let events: Declaration;
  let port = 0;
  const scrape = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.status).toBe(200);
    return await response.text();
  };

  beforeAll(async () => {
    port = await freePort();
    counter = await python("counter", "counter");
    events = {
      id: "events",
      handler: { runtime: "python", entry: "app.handle", timeout: "10s" },
      cwd: fixture("events-python"),
      idle: restless,
      env: { PATH: "/usr/bin:/bin" },
    };
    engine = await TestEngine.start({
      functions: [counter, events],
      engine: { metrics: { listen: `127.0.0.1:${port}` } },
    });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow("fetch failed");
  });

  it("count what happens, and pass promtool", async () => {
    await get(counter.trigger_port);
    await engine.action("counter", "suspend");
    await get(counter.trigger_port);
    const text = await eventually(
      scrape,
      (seen) => seriesOf(seen).get('function_wakes_total{function="counter",tier="suspended"}') === 1,
      "the second wake",
    );
    expect(await checkMetrics(text)).toEqual({ code: 0, output: "" });
    const series = seriesOf(text);
    const view = await engine.function("counter");
    expect(series.get('function_restores_total{function="counter"}')).toBe(1);
    expect(series.get('function_restore_duration_seconds_count{function="counter"}')).toBe(1);
    expect(series.get('function_restore_duration_seconds_sum{function="counter"}')).toBeCloseTo(
      (view.restore.lastMs ?? 0) / 1000,
      9,
    );
    expect(series.get('function_wakes_total{function="counter",tier="snapshot"}')).toBe(1);
    expect(series.get('function_state{function="counter",state="Running"}')).toBe(1);
    expect(series.get('function_state{function="counter",state="Suspended"}')).toBe(0);
    expect(series.get('function_cold_starts_total{function="counter"}')).toBe(view.coldStarts);
    expect(series.get(`function_packets_total{function="counter",port="${counter.trigger_port}"}`)).toBe(0);
    expect(series.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(series.get("process_open_fds")).toBeGreaterThan(10);
    expect(series.get("aether_heartbeat_age_seconds")).toBeLessThan(60);
  });

  it("tell of a ring that is in use, and of none while its function sleeps", async () => {
    const ring = async () => {
      const series = seriesOf(await scrape());
      const of = (name: string) => series.get(`function_ring_${name}{function="events"}`);
      return { capacity: of("capacity_bytes"), used: of("used_bytes"), pending: of("pending_events") };
    };
    expect(await ring()).toEqual({ capacity: undefined, used: undefined, pending: undefined });
    using requests = new ControlRequests(
      engine.name,
      join(engine.folder, "run", engine.name, "control.sock"),
    );
    const event = Buffer.from(JSON.stringify({ do: "sleep", seconds: 2 }));
    const order = { event, encoding: "json", timeoutMs: null, method: null, path: "/", headers: {} } as const;
    const answers = [requests.invoke("events", order), requests.invoke("events", order)];
    // The handler takes one at a time: the other waits in the ring.
    const busy = await eventually(ring, ({ pending }) => pending === 2, "two events");
    expect(busy.used).toBeGreaterThan(0);
    expect(busy.capacity).toBeGreaterThanOrEqual(512 * 1024);
    expect(await checkMetrics(await scrape())).toEqual({ code: 0, output: "" });
    await Promise.all(answers);
    const idle = await eventually(ring, ({ pending }) => pending === 0, "no event");
    expect(idle).toEqual({ capacity: busy.capacity, used: 0, pending: 0 });
    await engine.action("events", "snapshot");
    await eventually(ring, ({ capacity }) => capacity === undefined, "no ring");
  });

  it("the port is the engine's own in the eyes of `validate` and of a reload", async () => {
    const validated = await aether(["validate", "-c", engine.configFile], { env: engine.env });
    expect(validated).toMatchObject({ code: 0, stderr: "" });
    const before = engine.events.length;
    engine.rewrite([{ ...counter, stop_timeout: "3s" }, events], {
      metrics: { listen: `127.0.0.1:${port}` },
    });
    await engine.waitFor((event) => event.type === "reload", "the reload", 10_000, before);
    expect(seriesOf(await scrape()).get("aether_functions")).toBe(2);
  });

  it("a second engine on the port is refused, and is told whose it is and what to write", async () => {
    const folder = join(engine.folder, "second");
    mkdirSync(folder);
    const file = join(folder, "aether.yaml");
    const name = `${engine.name}b`;
    writeFileSync(
      file,
      stringify({
        version: 1,
        engine: { name, snapshot_dir: folder, metrics: { listen: `127.0.0.1:${port}` } },
        functions: [],
      }),
    );
    const second = await aether(["--headless", "-c", file], { env: engine.env });
    expect(second).toMatchObject({ code: 2, stdout: "" });
    expect(second.stderr).toContain("AE_CONFIG_PORT_TAKEN");
    expect(second.stderr).toContain(`engine ${engine.name} (pid ${engine.child.pid})`);
    expect(second.stderr).toContain("engine.metrics: off");
    expect(seriesOf(await scrape()).get("aether_functions")).toBe(2);
  });
});
