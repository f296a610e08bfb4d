import { describe, expect, it } from "vitest";
import { WakeClock } from "../../../src/engine/lifecycle/wake-clock.ts";
import { WakeLog } from "../../../src/engine/wake-log.ts";
import { fakeWake } from "../../helpers/fake-engine-views.ts";

describe("WakeClock", () => {
  it("each phase ends where the next begins, and their sum is the whole", () => {
    let now = 100;
    const clock = new WakeClock(() => now, 100, 99.75);
    now = 100.5;
    clock.ended("queue");
    clock.ended("sandbox", 101);
    now = 108.25;
    clock.ended("restore");
    expect(clock.phases).toEqual({ handshake: 250, queue: 500, sandbox: 500, restore: 7250 });
    expect(clock.totalMs).toBe(8.25);
  });

  it("a phase that comes twice is one, and time never runs backwards", () => {
    let now = 10;
    const clock = new WakeClock(() => now, 10, null);
    now = 11;
    clock.ended("restore");
    clock.ended("sandbox", 10.5);
    now = 13;
    clock.ended("restore");
    expect(clock.phases).toEqual({ restore: 3000, sandbox: 0 });
    expect(clock.totalMs).toBe(3);
  });

  it("a handshake of another time is none of this wake", () => {
    expect(new WakeClock(() => 0, 5_000, 3_000).phases).toEqual({});
    expect(new WakeClock(() => 0, 5_000, 5_001).phases).toEqual({});
  });
});

describe("WakeLog", () => {
  it("keeps the last records, of one function or of all, oldest first", () => {
    const log = new WakeLog();
    for (let seq = 0; seq < 2_500; seq++)
      log.add({ ...fakeWake(seq % 5 === 0 ? "rare" : "busy"), seq, atMs: seq });
    log.add({ type: "notice", functionId: "rare", text: "no wake", seq: 2_500, atMs: 0 });
    expect(log.tail(null, 10_000)).toHaveLength(2_000);
    expect(log.tail("rare", 2).map(({ seq }) => seq)).toEqual([2_490, 2_495]);
    expect(log.tail("nobody", 5)).toEqual([]);
    expect(log.tail(null, 0)).toEqual([]);
  });
});
