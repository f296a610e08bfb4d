/** Metrics as scrapers read them, in both formats. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, onTestFinished, test } from "vitest";
import { unparsedReasons } from "../../../src/protocol/unparsed-reasons.ts";
import { exposition } from "../../../src/engine/metrics/exposition.ts";
import { families } from "../../../src/engine/metrics/families.ts";
import type { Scrape } from "../../../src/engine/metrics/families.ts";
import { wantedFormat } from "../../../src/engine/metrics/negotiate.ts";
import { FunctionTally } from "../../../src/engine/stats/tally.ts";
import { StatsReader } from "../../../src/protocol/stats-reader.ts";
import { fakeFunction } from "../../helpers/fake-core.ts";
import { checkMetrics } from "../../helpers/promtool.ts";
import { recordOf, testRegion, wakeEvent } from "../../helpers/stats-region.ts";

/** A region with two functions and an interface, as a scrape sees it. */
function scrapeOf(): Scrape {
  const folder = mkdtempSync(join(tmpdir(), "aether-metrics-"));
  const path = join(folder, "aether-test.stats");
  const region = testRegion(path);
  const reader = StatsReader.open(path);
  onTestFinished(() => {
    reader?.[Symbol.dispose]();
    region[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  if (reader === null) throw new Error("no region");
  const tally = new FunctionTally();
  for (const restoreMs of [0.9, 8, 8.5, 15, 15.1, 250])
    tally.take(wakeEvent("snapshot", restoreMs, restoreMs + 1));
  tally.take(wakeEvent("suspended", null, 0.4));
  const hello = fakeFunction("hello", {
    state: "Running",
    instances: [
      { id: "i1", pid: 42, state: "Running", address: null, memoryBytes: 4096, cpuMs: 1500, ring: null },
    ],
  });
  region.setFunction(recordOf(hello, { packets: 12, bytes: 3400 }, tally));
  region.setFunction(recordOf(fakeFunction("portless", { triggerPort: null }), { position: 1 }));
  region.setInterfaces([
    {
      name: "lo",
      packets: 5,
      bytes: 600,
      syns: 1,
      drops: 2,
      redirected: 0,
      unparsed: unparsedReasons.map(() => 0),
    },
  ]);
  region.countError("AE_EARLY_EXIT", true);
  region.flush();
  return { snapshot: reader.read(), heartbeatAgeMs: 50, openFds: 33 };
}

const linesOf = (text: string, name: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(name));

describe("the text format", () => {
  test("passes promtool check metrics", async ({ expect }) => {
    const text = exposition(families, scrapeOf(), "text");
    expect(await checkMetrics(text)).toEqual({ code: 0, output: "" });
  });

  test("the checker does object to what is wrong", async ({ expect }) => {
    const { code, output } = await checkMetrics("# TYPE broken_count counter\nbroken_count 1\n");
    expect({ code, output }).toMatchObject({ code: 3, output: expect.stringContaining("broken_count") });
  });

  test("has the names that were promised", ({ expect }) => {
    const text = exposition(families, scrapeOf(), "text");
    expect(linesOf(text, "function_restores_total")).toEqual([
      'function_restores_total{function="hello"} 6',
      'function_restores_total{function="portless"} 0',
    ]);
    expect(linesOf(text, "warm_pool_size{")).toHaveLength(2);
    expect(linesOf(text, "function_cold_starts_total{")).toHaveLength(2);
    expect(linesOf(text, "function_wakes_total").slice(0, 3)).toEqual([
      'function_wakes_total{function="hello",tier="suspended"} 1',
      'function_wakes_total{function="hello",tier="snapshot"} 6',
      'function_wakes_total{function="hello",tier="cold"} 0',
    ]);
    expect(linesOf(text, 'function_state{function="hello"')).toEqual([
      'function_state{function="hello",state="Uninitialized"} 0',
      'function_state{function="hello",state="WarmSnapshot"} 0',
      'function_state{function="hello",state="Suspended"} 0',
      'function_state{function="hello",state="Running"} 1',
    ]);
    expect(linesOf(text, "function_packets_total{")).toEqual([
      'function_packets_total{function="hello",port="8080"} 12',
    ]);
    expect(linesOf(text, "interface_dropped_packets_total{")).toEqual([
      'interface_dropped_packets_total{interface="lo"} 2',
    ]);
    expect(linesOf(text, "aether_errors_total{")).toEqual(['aether_errors_total{code="AE_EARLY_EXIT"} 1']);
    expect(linesOf(text, "function_memory_bytes{")).toEqual(['function_memory_bytes{function="hello"} 4096']);
    expect(linesOf(text, "process_open_fds ")).toEqual(["process_open_fds 33"]);
  });

  test("buckets are cumulative, inclusive, and agree with sum and count", ({ expect }) => {
    const text = exposition(families, scrapeOf(), "text");
    const buckets = linesOf(text, 'function_restore_duration_seconds_bucket{function="hello"');
    expect(buckets[0]).toBe('function_restore_duration_seconds_bucket{function="hello",le="0.001"} 1');
    expect(buckets.find((line) => line.includes('le="0.008"'))?.split(" ")[1]).toBe("2");
    expect(buckets.find((line) => line.includes('le="0.015"'))?.split(" ")[1]).toBe("4");
    expect(buckets.at(-1)).toBe('function_restore_duration_seconds_bucket{function="hello",le="+Inf"} 6');
    const [sum, count] = ["sum", "count"].map(
      (each) =>
        linesOf(text, `function_restore_duration_seconds_${each}{function="hello"}`)[0]?.split(" ")[1],
    );
    expect(Number(sum)).toBeCloseTo(0.2975, 9);
    expect(count).toBe("6");
  });
});

describe("OpenMetrics", () => {
  test("names families without their endings, has units, and ends with EOF", ({ expect }) => {
    const text = exposition(families, scrapeOf(), "openmetrics");
    expect(text).toContain("# TYPE function_restores counter\n");
    expect(text).toContain('function_restores_total{function="hello"} 6\n');
    expect(text).toContain("# UNIT function_restore_duration_seconds seconds\n");
    expect(text).toContain("# TYPE aether_engine info\naether_engine_info{");
    expect(text.endsWith("# EOF\n")).toBe(true);
    for (const [, name, unit] of text.matchAll(/^# UNIT (\S+) (\S+)$/gm)) expect(name).toMatch(`_${unit}`);
  });
});

describe("escaping", () => {
  /** Reads one sample line back, as a scraper would. */
  function labelsOf(line: string): Record<string, string> {
    const labels: Record<string, string> = {};
    for (const [, name = "", value = ""] of line.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
    return labels;
  }

  test("any label value stays on its line and is read back as it was", ({ expect }) => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const family = {
          name: "a_b",
          type: "gauge" as const,
          help: "x",
          samples: () => [{ labels: { function: value }, value: 1 }],
        };
        for (const format of ["text", "openmetrics"] as const) {
          const text = exposition([family], scrapeNothing, format);
          const line = linesOf(text, "a_b{");
          expect(line).toHaveLength(1);
          expect(labelsOf(line[0] ?? "")).toEqual({ function: value });
        }
      }),
    );
  });

  test("help texts too", ({ expect }) => {
    const family = { name: "a_b", type: "gauge" as const, help: 'a "b"\\c\nd', samples: () => [] };
    expect(exposition([family], scrapeNothing, "text")).toContain('# HELP a_b a "b"\\\\c\\nd\n');
    expect(exposition([family], scrapeNothing, "openmetrics")).toContain('# HELP a_b a \\"b\\"\\\\c\\nd\n');
  });
});

/** For families that do not look at it. */
const scrapeNothing = {} as Scrape;

describe("negotiation", () => {
  const prometheus =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  test.for([
    [undefined, "text"],
    ["", "text"],
    ["*/*", "text"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "text"],
    ["text/plain;version=0.0.4", "text"],
    [prometheus, "openmetrics"],
    ["application/openmetrics-text", "openmetrics"],
    ['Application/OpenMetrics-Text; version="1.0.0"', "openmetrics"],
    ["application/openmetrics-text;version=2.0.0", "text"],
    ["application/openmetrics-text;q=0", "text"],
    ["application/openmetrics-text;q=0.2,text/plain;q=0.9", "text"],
    ["application/openmetrics-text;q=nonsense", "text"],
  ] as const)("%j is %s", ([accept, format], { expect }) => {
    expect(wantedFormat(accept)).toBe(format);
  });

  test("no header makes it throw", ({ expect }) => {
    fc.assert(
      fc.property(fc.string(), (accept) => {
        expect(["text", "openmetrics"]).toContain(wantedFormat(accept));
      }),
    );
  });
});
