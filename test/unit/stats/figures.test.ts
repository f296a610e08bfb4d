import { describe, expect, test } from "vitest";
import { FigureKeeper, figuresKept, isNews } from "../../../src/client/figures.ts";
import { parseCpuTimes, parseMemory } from "../../../src/client/host-figures.ts";
import type { StatsSnapshot } from "../../../src/protocol/stats-reader.ts";

interface Now {
  readonly packets: number;
  readonly cpuMs: number;
  readonly instances?: number;
  readonly engineCpuMs?: number;
}

/** Only what the keeper looks at. */
function snapshot({ packets, cpuMs, instances = 1, engineCpuMs = 0 }: Now): StatsSnapshot {
  const traffic = { packets, bytes: packets * 100, syns: 0, drops: 0 };
  return {
    pulse: { heartbeatMs: 0, memoryBytes: 1, cpuMs: engineCpuMs },
    totals: {},
    errors: [],
    interfaces: [{ name: "lo", ...traffic }],
    functions: [{ id: "api", instances, cpuMs, errors: 0, wakesFailed: 0, ...traffic }],
  } as unknown as StatsSnapshot;
}

describe("figures", () => {
  test("rates are differences over the time between two readings", () => {
    const keeper = new FigureKeeper();
    expect(keeper.take(snapshot({ packets: 100, cpuMs: 0 }), 1_000, 0).interfaces[0]?.rates.packets).toEqual(
      [],
    );
    const next = keeper.take(snapshot({ packets: 150, cpuMs: 250, engineCpuMs: 40 }), 3_000, 0);
    expect(next.interfaces[0]?.rates).toEqual({ packets: [25], bytes: [2_500], drops: [0] });
    expect(next.functions.get("api")).toMatchObject({ cpuPercent: 12.5, rates: { packets: [25] } });
    expect(next.engine.cpuPercent).toEqual([2]);
  });

  test("a counter that began anew gives no negative rate; nothing that runs has no processor", () => {
    const keeper = new FigureKeeper();
    keeper.take(snapshot({ packets: 900, cpuMs: 0 }), 1_000, 0);
    const next = keeper.take(snapshot({ packets: 30, cpuMs: 0, instances: 0 }), 2_000, 0);
    expect(next.interfaces[0]?.rates.packets).toEqual([30]);
    expect(next.functions.get("api")?.cpuPercent).toBeNull();
  });

  test("a minute is kept", () => {
    const keeper = new FigureKeeper();
    let last = keeper.take(snapshot({ packets: 0, cpuMs: 0 }), 0, 0);
    for (let second = 1; second < 100; second += 1)
      last = keeper.take(snapshot({ packets: second, cpuMs: 0 }), second * 1_000, 0);
    expect(last.interfaces[0]?.rates.packets).toHaveLength(figuresKept);
  });
});

describe("what is told of them", () => {
  const take = (keeper: FigureKeeper, packets: number, second: number, cpuMs = 0) =>
    keeper.take(snapshot({ packets, cpuMs }), second * 1_000, second * 1_000);

  test("nothing while nothing changes, but for the age of the heartbeat now and then", () => {
    const keeper = new FigureKeeper();
    take(keeper, 7, 0);
    const settled = take(keeper, 7, 1);
    expect(isNews(settled, null)).toBe(true);
    expect(isNews(take(keeper, 7, 2), settled)).toBe(false);
    expect(isNews(take(keeper, 7, 6), settled)).toBe(true);
  });

  test("a packet, and then its way out of the last minute", () => {
    const keeper = new FigureKeeper();
    for (let second = 0; second < 4; second += 1) take(keeper, 7, second);
    const before = take(keeper, 7, 4);
    const after = take(keeper, 8, 5);
    expect(isNews(after, before)).toBe(true);
    expect(isNews(take(keeper, 8, 6), after)).toBe(true);
  });

  test("processor time", () => {
    const keeper = new FigureKeeper();
    for (let second = 0; second < 4; second += 1) take(keeper, 7, second);
    const before = take(keeper, 7, 4);
    expect(isNews(take(keeper, 7, 5, 20), before)).toBe(true);
  });
});

describe("the machine", () => {
  test("busy time leaves out idle and waiting for disks, and counts guests once", () => {
    expect(parseCpuTimes("cpu  10 0 20 60 5 1 2 2 7 0\ncpu0 1 1 1 1\n")).toEqual({ all: 100, busy: 35 });
    expect(parseCpuTimes("")).toBeNull();
    expect(parseCpuTimes("cpu  a b\n")).toBeNull();
  });

  test("memory is in bytes", () => {
    expect(parseMemory("MemTotal:       1024 kB\nMemAvailable:    512 kB\n", "MemAvailable")).toBe(524_288);
    expect(parseMemory("nothing", "MemTotal")).toBeNull();
  });
});
