import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { cliHome } from "../../helpers/fake-core-cli.ts";
import { fakeFunction } from "../../helpers/fake-core.ts";
import type { PlanReport } from "../../../src/commands/plan/report.ts";

const home = await cliHome();
afterAll(() => home[Symbol.asyncDispose]());

await writeFile(
  join(home.dir, "aether.yaml"),
  `version: 1
functions:
  - { id: hello, command: sh, trigger_port: 18080, idle: { suspend_after: 30s, snapshot_after: 5m } }
  - { id: portless, command: sh }
`,
);
const lines = (times: readonly number[], id = "hello"): string =>
  times.map((t) => `${JSON.stringify({ t, id })}\n`).join("");
const profile = join(home.dir, "profile.jsonl");
await writeFile(profile, lines([0, 10, 100]) + lines([200], "gone") + lines([1_000]));

const errorOf = (stderr: string): unknown => (JSON.parse(stderr) as { error: unknown }).error;

describe("plan", () => {
  test("without an engine: sleeps and wakes are told, what nobody measured is unknown", async ({
    expect,
  }) => {
    const { code, stdout } = await home.run("plan", profile);
    expect(code).toBe(0);
    expect(stdout).toContain("5 lines over 16m 40s");
    expect(stdout).toMatch(/suspended +2 +1 +unknown/);
    expect(stdout).toMatch(/snapshot +1 +2 +unknown/);
    expect(stdout).toContain("not declared, left out: gone (1 line)");
    expect(stdout).toContain("wake from snapshot: unknown (hello)");
    expect(stdout).not.toContain("portless");
  });

  test("--json, with declared figures", async ({ expect }) => {
    const { stdout } = await home.run(
      "plan",
      profile,
      "--json",
      "--cost",
      "snapshot=8,12",
      "--cost",
      "hello:suspended=0.4,1",
      "--memory",
      "hello=64MiB",
    );
    const report = JSON.parse(stdout) as PlanReport;
    expect(report).toMatchObject({ profile, fromMs: 0, toMs: 1_000_000, lines: 5, undeclared: { gone: 1 } });
    expect(report.functions).toHaveLength(1);
    expect(report.functions[0]).toMatchObject({
      id: "hello",
      connections: 4,
      foundRunning: 1,
      sleeps: { suspended: 2, snapshot: 1 },
      wakes: { suspended: 1, snapshot: 2, cold: 0 },
      cost: {
        suspended: { wakes: 1, p50Ms: 0.4, p99Ms: 1, source: "declared" },
        snapshot: { wakes: 2, p50Ms: 8, p99Ms: 12, source: "declared" },
        cold: { wakes: 0, p50Ms: null, source: "unknown" },
      },
      saved: { running: { bytes: 64 * 2 ** 20, source: "declared" }, byteHours: null },
    });
  });

  test("a bad line is told with its place, exit code 2", async ({ expect }) => {
    const bad = join(home.dir, "bad.jsonl");
    await writeFile(bad, `${lines([1])}{"t": 2, "id": hello}\n`);
    const { code, stderr } = await home.run("plan", bad, "--json");
    expect(code).toBe(2);
    expect(errorOf(stderr)).toMatchObject({ code: "AE_PROFILE_INVALID", data: { line: 2, column: 16 } });
  });

  test("a missing profile, no profile, and options that mean nothing are refused", async ({ expect }) => {
    const missing = await home.run("plan", "nowhere.jsonl", "--json");
    expect([missing.code, errorOf(missing.stderr)]).toMatchObject([2, { code: "AE_PROFILE_UNREADABLE" }]);
    expect((await home.run("plan")).stderr).toContain("plan --record");
    expect((await home.run("plan", profile, "--cost", "deep=1,2")).code).toBe(2);
    expect((await home.run("plan", profile, "--cost", "cold=3,2")).stderr).toContain("p50 is above");
    expect((await home.run("plan", profile, "--memory", "much")).code).toBe(2);
    expect((await home.run("plan", profile, "--for", "1s")).code).toBe(2);
  });

  test("a running engine's own wakes and memory are the figures", async ({ expect }) => {
    const { core, close } = await home.serve("default");
    const snapshot = {
      atMs: 1,
      sizeBytes: 2 ** 20,
      golden: false,
      image: "stock",
      imageReason: "",
      dumpMs: 1,
      trialMs: null,
    } as const;
    core.functions = [fakeFunction("hello", { awakeMemoryBytes: 21 * 2 ** 20, snapshot })];
    for (const totalMs of [9, 7, 8])
      core.eventLog.append({
        type: "wake",
        cause: "connection",
        seenAtMs: 0,
        phases: {},
        budgetMs: 15,
        criu: null,
        error: null,
        functionId: "hello",
        instance: "i",
        tier: "snapshot",
        restoreMs: 5,
        totalMs,
        ahead: false,
        overBudget: false,
      });
    const { stdout } = await home.run("plan", profile, "--json");
    await close();
    const [found] = (JSON.parse(stdout) as PlanReport).functions;
    expect(found?.cost.snapshot).toMatchObject({
      p50Ms: 8,
      p99Ms: 9,
      source: expect.stringContaining("3 wakes") as string,
    });
    // 5 minutes after the connection of 100 s, until 1,000 s; the first line wakes it.
    expect(found?.timeMs.snapshot).toBe(600_000);
    expect(found?.saved.byteHours).toBeCloseTo((20 * 2 ** 20 * 600) / 3_600);
  });
});

describe("plan --record", () => {
  test("writes what the counters tell, and never over a file that is there", async ({ expect }) => {
    const { core, close } = await home.serve("default");
    const file = join(home.dir, "recorded.jsonl");
    core.counts = { atMs: 50_000, functions: [{ id: "hello", opened: 7, open: 1, lastChangeMs: 40_000 }] };
    const recording = home.start("plan", "--record", file, "--for", "900ms");
    while (core.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    core.counts = { atMs: 60_000, functions: [{ id: "hello", opened: 9, open: 0, lastChangeMs: 59_500 }] };
    expect(await recording.result).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("2 lines written") as string,
    });
    expect(await readFile(file, "utf8")).toBe(
      '{"t":50,"id":"hello","n":0,"open":1}\n{"t":59.5,"id":"hello","n":2}\n',
    );
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const again = await home.run("plan", "--record", file, "--for", "1s");
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("there already")]);
    await close();
  });

  test("without an engine there is nothing to record, and no file is left", async ({ expect }) => {
    const { code, stderr } = await home.run("plan", "--record", "none.jsonl", "--json");
    expect([code, errorOf(stderr)]).toMatchObject([1, { code: "AE_ENGINE_NOT_RUNNING" }]);
    await expect(stat(join(home.dir, "none.jsonl"))).rejects.toThrow("ENOENT");
  });
});
