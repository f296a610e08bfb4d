import { describe, test } from "vitest";
import { allChecks } from "../../../src/commands/doctor/all-checks.ts";
import { missingCapabilities } from "../../../src/commands/doctor/capabilities.ts";
import { ok } from "../../../src/commands/doctor/check.ts";
import type { CheckReport } from "../../../src/commands/doctor/check.ts";
import { runChecks } from "../../../src/commands/doctor/run-checks.ts";
import { snapshotDirCheck } from "../../../src/commands/doctor/snapshot-checks.ts";
import { isAtLeast, parseVersion } from "../../../src/commands/doctor/versions.ts";

async function collect(checks: Parameters<typeof runChecks>[0]): Promise<CheckReport[]> {
  const reports: CheckReport[] = [];
  for await (const report of runChecks(checks)) reports.push(report);
  return reports;
}

describe("doctor", () => {
  test("every check answers on this machine, and says why and what to do where it is not content", async ({
    expect,
  }) => {
    const reports = await collect(await allChecks({ color: false }));
    expect(new Set(reports.map(({ name }) => name)).size).toBe(reports.length);
    for (const report of reports) {
      expect(report.what).not.toBe("");
      expect(report.status === "ok").toBe(report.hint === null);
      expect(report.status === "ok").toBe(report.why === null);
    }
    // It restores a process some forty times; on a busy machine that takes its time.
  }, 40_000);

  test("a check that throws is a failed check", async ({ expect }) => {
    const broken = { name: "broken", run: () => Promise.reject(new Error("no")) };
    expect(await collect([broken, { name: "fine", run: () => ok("yes") }])).toMatchObject([
      { name: "broken", status: "fail", why: "no" },
      { name: "fine", status: "ok" },
    ]);
  });

  test("reads capabilities from /proc/PID/status", ({ expect }) => {
    expect(missingCapabilities("Name:\tx\nCapEff:\t000001ffffffffff\n")).toEqual([]);
    expect(missingCapabilities("CapEff:\t0000000000000000\n")).toContainEqual(
      expect.stringContaining("CAP_SYS_ADMIN"),
    );
    expect(missingCapabilities("CapEff:\t000001ffffdfffff\n")).toHaveLength(1);
  });

  test("a snapshot folder that is missing is told", async ({ expect }) => {
    expect(await collect([snapshotDirCheck("/no/such/folder")])).toMatchObject([
      { status: "fail", hint: expect.stringContaining("mkdir") as string },
    ]);
  });

  test("compares versions as numbers", ({ expect }) => {
    expect(parseVersion("Version: 4.2.1\nGitID: v4.2.1")).toEqual([4, 2, 1]);
    expect(parseVersion("none")).toBeNull();
    expect(isAtLeast([4, 10], [4, 2])).toBe(true);
    expect(isAtLeast([4], [4, 0])).toBe(true);
    expect(isAtLeast([3, 17], [4, 2])).toBe(false);
  });
});
