import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AetherConfig, FunctionConfig } from "../../../src/protocol/config.ts";
import { fieldChanges } from "../../../src/engine/config/changes.ts";
import { diffConfig, needsReplacement } from "../../../src/engine/config/diff.ts";

const base: FunctionConfig = {
  id: "a",
  command: ["sh"],
  program: "/bin/sh",
  cwd: "/",
  triggerPort: 8080,
  protocol: "tcp",
  network: "shared",
  instances: 1,
  ready: { kind: "handshake" },
  readyTimeoutMs: 10_000,
  env: { A: "1" },
  memoryLimitBytes: null,
  user: null,
  privileged: false,
  ring: false,
  handler: null,
  sleep: "keep",
  start: "snapshot",
  idle: { suspendAfterMs: 1, snapshotAfterMs: 2, ignoreOpen: false, reclaim: false },
  connections: "refuse",
  wakeOn: "connection",
  maxConnectionsPerSecond: null,
  restoreBudgetMs: 15,
  onViolation: "fail",
  onRestoreFailure: "fail",
  image: "auto",
  warmPool: null,
  restoreAhead: "auto",
  warmup: [],
  proveDeploy: true,
  stopSignal: "SIGTERM",
  stopTimeoutMs: 5000,
};
const config = (
  functions: readonly FunctionConfig[],
  engine: Partial<AetherConfig["engine"]> = {},
): AetherConfig => ({
  file: "/aether.yaml",
  engine: {
    name: "default",
    snapshotDir: "/dev/shm",
    keepSnapshots: false,
    restoreBudgetMs: 15,
    onViolation: "fail",
    logLevel: "info",
    maxParallelRestores: 2,
    warmPool: null,
    breakpoints: "hardware",
    memoryBudgetBytes: null,
    metrics: null,
    dataPlane: null,
    privateRange: null,
    ...engine,
  },
  functions,
});

describe("needsReplacement", () => {
  it.each<Partial<FunctionConfig>>([
    { idle: { suspendAfterMs: null, snapshotAfterMs: 2, ignoreOpen: true, reclaim: false } },
    { restoreBudgetMs: 20 },
    { onViolation: "serve" },
    { onRestoreFailure: "cold" },
    { connections: "close" },
    { start: "running" },
    { stopSignal: "SIGINT" },
    { stopTimeoutMs: 1 },
    { readyTimeoutMs: 1 },
  ])("%j is applied as it is", (change) => {
    expect(needsReplacement(base, { ...base, ...change })).toBe(false);
  });

  it.each<Partial<FunctionConfig>>([
    { command: ["sh", "-x"] },
    { program: "/usr/bin/sh" },
    { cwd: "/tmp" },
    { triggerPort: 8081 },
    { triggerPort: null },
    { ready: { kind: "http", path: "/" } },
    { env: { A: "2" } },
    { env: {} },
    { memoryLimitBytes: 1 },
    { user: { name: "x", uid: 1, gid: 1, groups: [1] } },
    { privileged: true },
    { sleep: "golden" },
    { warmup: [{ method: "GET", path: "/", headers: {}, body: null, compare: "answer", ignoreHeaders: [] }] },
    { restoreBudgetMs: 20, cwd: "/tmp" },
  ])("%j needs a new process", (change) => {
    expect(needsReplacement(base, { ...base, ...change })).toBe(true);
  });
});

describe("diffConfig", () => {
  it("names what changed, and of env not the value", () => {
    const diff = diffConfig(config([base]), config([{ ...base, env: { A: "secret" }, stopTimeoutMs: 1 }]));
    expect(diff.changed.map(({ id, fields, needsReplacement: replace }) => [id, fields, replace])).toEqual([
      ["a", ["env", "stopTimeoutMs"], true],
    ]);
  });

  it("tells settings of the engine that only a new one can apply", () => {
    const diff = diffConfig(config([]), config([], { name: "other", logLevel: "debug" }));
    expect(diff.engine).toEqual({ fields: ["name", "logLevel"], needRestart: ["name"] });
  });

  it("ignores the order of functions and of variables", () => {
    const other = { ...base, id: "b", env: { A: "1", B: "2" } };
    const diff = diffConfig(
      config([base, other]),
      config([{ ...other, env: { B: "2", A: "1" } }, structuredClone(base)]),
    );
    expect([diff.added, diff.changed, diff.removed, diff.unchanged.length]).toEqual([[], [], [], 2]);
  });

  it("puts every function into exactly one list, and reverses when turned round", () => {
    const entry = fc.record({
      id: fc.constantFrom("a", "b", "c", "d"),
      stopTimeoutMs: fc.nat({ max: 1 }),
      cwd: fc.constantFrom("/", "/tmp"),
    });
    const list = fc
      .uniqueArray(entry, { selector: ({ id }) => id })
      .map((entries) => config(entries.map((fields) => ({ ...base, ...fields }))));
    const ids = (entries: readonly { id: string }[]): string[] => entries.map(({ id }) => id).toSorted();
    fc.assert(
      fc.property(list, list, (old, next) => {
        const forth = diffConfig(old, next);
        const back = diffConfig(next, old);
        expect([...ids(forth.added), ...ids(forth.changed), ...ids(forth.unchanged)].toSorted()).toEqual(
          ids(next.functions),
        );
        expect([...ids(forth.removed), ...ids(forth.changed), ...ids(forth.unchanged)].toSorted()).toEqual(
          ids(old.functions),
        );
        expect(ids(forth.added)).toEqual(ids(back.removed));
        expect(ids(forth.changed)).toEqual(ids(back.changed));
        expect(diffConfig(next, next).changed).toEqual([]);
      }),
    );
  });
});

describe("what a reload changed, for people", () => {
  const changesOf = (next: FunctionConfig, engine: Partial<AetherConfig["engine"]> = {}) => {
    const [before, read] = [config([base]), config([next], engine)];
    // The folder of snapshots stays until the engine is started anew.
    const inForce = { ...read.engine, snapshotDir: before.engine.snapshotDir };
    return fieldChanges(diffConfig(before, read), before.engine, read.engine, inForce);
  };

  it("names fields as in the file, parts of mappings by themselves, and says what it took", () => {
    const next = { ...base, idle: { ...base.idle, suspendAfterMs: 5 }, restoreBudgetMs: 40 };
    expect(changesOf(next, { snapshotDir: "/var/x", restoreBudgetMs: 40 })).toEqual([
      { functionId: null, field: "snapshot_dir", from: "/dev/shm", to: "/var/x", effect: "next-start" },
      { functionId: null, field: "restore_budget_ms", from: "15", to: "40", effect: "at-once" },
      { functionId: "a", field: "idle.suspend_after_ms", from: "1", to: "5", effect: "at-once" },
      { functionId: "a", field: "restore_budget_ms", from: "15", to: "40", effect: "at-once" },
    ]);
  });

  it("never tells a value of env, nor a header or body of a warm-up request", () => {
    const request = {
      method: "GET",
      path: "/",
      body: "geheim",
      compare: "answer",
      ignoreHeaders: [],
    } as const;
    const warmup = [{ ...request, headers: { authorization: "geheim" } }];
    const text = JSON.stringify(changesOf({ ...base, env: { A: "geheim" }, warmup }));
    expect(text).not.toContain("geheim");
    expect(text).toContain("hidden, another value");
    expect(text).toContain("1 requests");
    expect(JSON.stringify(changesOf({ ...base, env: { A: "1", B: "geheim" } }))).toContain('"to":"A, B"');
  });
});
