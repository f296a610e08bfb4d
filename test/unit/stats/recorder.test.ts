/** What is written into a stats region when: events, changes, beats, and a region that cannot grow. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { unparsedReasons } from "../../../src/protocol/unparsed-reasons.ts";
import { StatsRecorder } from "../../../src/engine/stats/recorder.ts";
import { noTraffic } from "../../../src/engine/stats/traffic.ts";
import type { TrafficSource } from "../../../src/engine/stats/traffic.ts";
import type { AetherError } from "../../../src/protocol/errors.ts";
import { StatsReader } from "../../../src/protocol/stats-reader.ts";
import type { FunctionView } from "../../../src/protocol/views.ts";
import { fakeFunction } from "../../helpers/fake-core.ts";
import { monotonicMs, testRegion, wakeEvent } from "../../helpers/stats-region.ts";

function setUp(views: FunctionView[], traffic: TrafficSource = noTraffic) {
  const folder = mkdtempSync(join(tmpdir(), "aether-recorder-"));
  const path = join(folder, "aether-test.stats");
  const byId = new Map(views.map((view) => [view.id, view]));
  const errors: AetherError[] = [];
  const region = testRegion(path);
  const recorder = new StatsRecorder(
    {
      region,
      functions: {
        get ids() {
          return [...byId.keys()];
        },
        view: (id) => byId.get(id) ?? null,
      },
      traffic,
      monotonic: monotonicMs,
      onError: (error) => errors.push(error),
    },
    views.map(({ id }) => id),
  );
  for (const { id } of views) recorder.made(id);
  recorder.changed(new Set(byId.keys()));
  const reader = StatsReader.open(path);
  if (reader === null) throw new Error("no region");
  onTestFinished(() => {
    recorder[Symbol.dispose]();
    reader[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  return { recorder, reader, byId, errors, folder };
}

const running = (id: string, memoryBytes: number): FunctionView =>
  fakeFunction(id, {
    instances: [{ id: "i1", pid: 7, state: "Running", address: null, memoryBytes, cpuMs: 5, ring: null }],
  });

describe("the recorder", () => {
  test("writes what an event has counted, although no view has changed", async ({ expect }) => {
    const { recorder, reader } = setUp([fakeFunction("hello")]);
    recorder.take(wakeEvent("snapshot", 8, 9));
    await expect.poll(() => reader.read().functions[0]?.wakesSnapshot).toBe(1);
    const { totals, functions } = reader.read();
    expect(functions[0]).toMatchObject({ restoreSumMs: 8, wakeSnapshotSumMs: 9, warmPool: 1 });
    expect(totals.wakesSnapshot).toBe(1);
  });

  test("looks again at what runs: memory changes without an event", async ({ expect }) => {
    const { reader, byId } = setUp([running("hello", 1000)]);
    byId.set("hello", running("hello", 2000));
    await expect.poll(() => reader.read().functions[0]?.memoryBytes, { timeout: 5000 }).toBe(2000);
  });

  test("takes in packets and interfaces, for a function that sleeps too", async ({ expect }) => {
    const counts = { packets: 0, bytes: 0, syns: 0, drops: 0 };
    const traffic: TrafficSource = {
      ofPort: (port) => (port === 8080 ? { ...counts } : { packets: 0, bytes: 0, syns: 0, drops: 0 }),
      interfaces: () =>
        counts.packets === 0
          ? []
          : [{ name: "lo", ...counts, redirected: 0, unparsed: unparsedReasons.map(() => 0) }],
    };
    const { reader } = setUp([fakeFunction("hello")], traffic);
    expect(reader.read().interfaces).toEqual([]);
    Object.assign(counts, { packets: 3, bytes: 180, syns: 1 });
    await expect.poll(() => reader.read().functions[0]?.packets, { timeout: 5000 }).toBe(3);
    expect(reader.read().interfaces).toMatchObject([
      { name: "lo", packets: 3, bytes: 180, syns: 1, drops: 0 },
    ]);
    expect(reader.read().totals).toMatchObject({ packets: 3, bytes: 180, syns: 1 });
  });

  test("counts from zero for a function that is made anew, and the totals go on", ({ expect }) => {
    const { recorder, reader, byId } = setUp([fakeFunction("hello")]);
    recorder.take(wakeEvent("cold", null, 200));
    recorder.changed(new Set(["hello"]));
    recorder.made("hello");
    byId.set("hello", fakeFunction("hello", { coldStarts: 0 }));
    recorder.take(wakeEvent("cold", null, 300));
    recorder.changed(new Set(["hello"]));
    const { functions, totals } = reader.read();
    expect(functions[0]).toMatchObject({ wakesCold: 1, wakeColdSumMs: 300 });
    expect(totals).toMatchObject({ wakesCold: 2, wakeColdSumMs: 500, coldStarts: 1 });
  });

  test("a region that cannot grow is told once, and what is there goes on", ({ expect }) => {
    const views = Array.from({ length: 40 }, (_, index) => fakeFunction(`f${index}`));
    const { recorder, reader, byId, errors, folder } = setUp(views.slice(0, 16));
    rmSync(folder, { recursive: true });
    for (const view of views) {
      byId.set(view.id, view);
      if (!reader.read().functions.some(({ id }) => id === view.id)) recorder.made(view.id);
    }
    for (let times = 0; times < 3; times++) recorder.changed(new Set(byId.keys()));
    expect(errors.map(({ code }) => code)).toEqual(["AE_SHM_CREATE_FAILED"]);
    recorder.take(wakeEvent("cold", null, 1));
    byId.set("f0", fakeFunction("f0", { exits: 9 }));
    recorder.changed(new Set(["f0"]));
    expect(reader.read().functions.find(({ id }) => id === "f0")?.exits).toBe(9);
    expect(reader.read().functions).toHaveLength(16);
  });
});
