/** What `aether doctor` concludes from what it has measured. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { compareTimes } from "../../../src/commands/doctor/compare-times.ts";
import { chosen, judgeHugePages } from "../../../src/commands/doctor/memory-checks.ts";
import { mountOf } from "../../../src/commands/doctor/mounts.ts";
import { judgeBreakpoints, judgeCache } from "../../../src/commands/doctor/restore-speed.ts";
import { judgeSnapshotMount } from "../../../src/commands/doctor/snapshot-checks.ts";

const times = fc.array(fc.double({ min: 0.1, max: 100, noNaN: true }), { minLength: 1, maxLength: 30 });
const twelve = (ms: number): number[] => Array.from({ length: 12 }, () => ms);

describe("times in turn", () => {
  test("never are both ways clearly faster, and never one than itself", ({ expect }) => {
    fc.assert(
      fc.property(times, times, (one, other) => {
        const { clearlyFaster } = compareTimes(one, other);
        expect(clearlyFaster && compareTimes(other, one).clearlyFaster).toBe(false);
        expect(compareTimes(one, one).clearlyFaster).toBe(false);
      }),
    );
  });

  test("a constant gain of more than a tenth is always found, whatever the noise they share", ({
    expect,
  }) => {
    fc.assert(
      fc.property(times, (noise) => {
        const slower = noise.map((ms) => ms * 1.25);
        expect(compareTimes(noise, slower)).toMatchObject({ clearlyFaster: true, wins: noise.length });
      }),
    );
  });

  test("a better median by luck alone is no gain", ({ expect }) => {
    const usual = [10, 10, 10, 10, 10, 10, 10, 10, 10, 10];
    expect(compareTimes([8, 8, 8, 8, 8, 8, 12, 12, 12, 12], usual)).toMatchObject({
      p50Ms: 8,
      wins: 6,
      clearlyFaster: false,
    });
  });
});

describe("advice", () => {
  const speed = { usual: twelve(10), coldCache: twelve(25), noBreakpoints: twelve(10), cacheIsKept: true };

  test("hardware breakpoints are given up only where that is clearly faster", ({ expect }) => {
    expect(judgeBreakpoints(speed)).toMatchObject({ status: "ok", why: null, hint: null });
    expect(judgeBreakpoints({ ...speed, noBreakpoints: twelve(8) })).toMatchObject({
      status: "warn",
      what: expect.stringContaining("12 of 12 pairs") as string,
      hint: expect.stringContaining("engine.breakpoints: none") as string,
    });
  });

  test("a cache that does not stay is told, one that does says what it saves", ({ expect }) => {
    expect(judgeCache(speed, true)).toMatchObject({
      status: "ok",
      what: expect.stringMatching(/10\.0 ms .* 25\.0 ms .*n = 12 .*removes the leftover/) as string,
    });
    expect(judgeCache({ ...speed, cacheIsKept: false }, false).status).toBe("warn");
  });

  test("huge pages that fill with little", ({ expect }) => {
    expect(chosen("always [madvise] never\n")).toBe("madvise");
    expect(chosen(null)).toBe("not known");
    expect(judgeHugePages("madvise", 400 * 1024).status).toBe("ok");
    expect(judgeHugePages("always", 64 * 1024 ** 2)).toMatchObject({ status: "warn" });
  });
});

describe("the snapshot folder's mount", () => {
  const table = [
    "20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
    "21 20 0:20 / /dev/shm rw,nosuid,noexec - tmpfs tmpfs rw,size=1g",
    "22 20 0:21 / /dev/shmem rw - ext4 /dev/vdb rw",
    String.raw`23 20 0:22 / /mnt/my\040images rw - tmpfs tmpfs rw`,
  ].join("\n");

  test("is the deepest one that holds it", ({ expect }) => {
    expect(mountOf("/dev/shm/aether-x", table)).toMatchObject({ path: "/dev/shm", type: "tmpfs" });
    expect(mountOf("/dev/shmem", table)).toMatchObject({ path: "/dev/shmem", type: "ext4" });
    expect(mountOf("/mnt/my images/a", table)).toMatchObject({ type: "tmpfs" });
    expect(mountOf("/srv", table)).toMatchObject({ path: "/", type: "ext4" });
    expect(mountOf("/srv", "")).toBeNull();
  });

  test("on a disk is told, noexec is said", ({ expect }) => {
    expect(judgeSnapshotMount("/srv", mountOf("/srv", table))).toMatchObject({ status: "warn" });
    expect(judgeSnapshotMount("/dev/shm", mountOf("/dev/shm", table))).toMatchObject({
      status: "ok",
      what: expect.stringContaining("noexec") as string,
    });
  });
});
