import { describe, expect, it } from "vitest";
import { readReport, totals, verdict, verdictLines } from "../../scripts/test/verdict.mjs";

const test = (status: string, fullName = status) => ({ status, fullName });
const counts = (statuses: string[]) =>
  readReport({
    testResults: [{ status: "passed", assertionResults: statuses.map((status) => test(status)) }],
  });
const outcome = { name: "unit", good: true, elapsed: "1.0 s", strict: false };

describe("the verdict on a test stage", () => {
  it("counts what was skipped in any way", () => {
    const found = counts(["passed", "pending", "todo", "skipped", "passed"]);
    expect(found).toMatchObject({ passed: 2, failed: 0, skipped: 3 });
  });

  it("a file that fails before its tests is a failure", () => {
    expect(readReport({ testResults: [{ status: "failed", assertionResults: [] }] }).failed).toBe(1);
    expect(
      readReport({ testResults: [{ status: "failed", assertionResults: [test("failed")] }] }).failed,
    ).toBe(1);
  });

  it("a skipped test fails in CI, and only there", () => {
    const skipping = { ...outcome, counts: counts(["passed", "skipped"]) };
    expect(verdict(skipping).good).toBe(true);
    expect(verdict({ ...skipping, strict: true })).toMatchObject({ good: false });
    expect(verdictLines({ ...skipping, strict: true })).toEqual([
      "FAILED unit         1.0 s, 1 passed, 1 skipped: 1 skipped, and in CI every test must run",
      "         skipped: skipped",
    ]);
  });

  it("a runner that failed is believed even when its report looks good, or is not there", () => {
    expect(verdict({ ...outcome, good: false, counts: counts(["passed"]) }).good).toBe(false);
    expect(verdict({ ...outcome, good: false, counts: null }).good).toBe(false);
    expect(totals([{ ...outcome, good: false, counts: null }])).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  it("adds up over the stages", () => {
    const failing = { ...outcome, good: false, counts: counts(["failed", "passed", "skipped"]) };
    expect(
      totals([{ ...outcome, counts: null }, { ...outcome, counts: counts(["passed"]) }, failing]),
    ).toEqual({
      passed: 2,
      failed: 1,
      skipped: 1,
    });
  });
});
