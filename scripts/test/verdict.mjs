// @ts-check
import { readFileSync } from "node:fs";

/**
 * @typedef {{ passed: number, failed: number, skipped: number, skippedNames: readonly string[], files: number }} Counts
 * @typedef {{ name: string, good: boolean, counts: Counts | null, elapsed: string, strict: boolean }} Outcome
 */

/**
 * What vitest's JSON report says; null when there is none or it is cut short.
 * @param {string} path
 * @returns {Counts | null}
 */
export function countsOf(path) {
  try {
    return readReport(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}

/**
 * @param {{ testResults?: { name?: string, status?: string, assertionResults?: { status: string, fullName: string }[] }[] }} report
 * @returns {Counts}
 */
export function readReport(report) {
  const files = report.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults ?? []);
  const skipped = tests.filter((test) => test.status !== "passed" && test.status !== "failed");
  // A file that fails before its tests (an import, say) has no failed test of its own.
  const broken = files.filter(
    (file) =>
      file.status === "failed" && !(file.assertionResults ?? []).some((test) => test.status === "failed"),
  );
  return {
    passed: tests.filter((test) => test.status === "passed").length,
    failed: tests.filter((test) => test.status === "failed").length + broken.length,
    skipped: skipped.length,
    skippedNames: skipped.map((test) => test.fullName),
    files: files.length,
  };
}

/**
 * @param {Outcome} outcome
 * @returns {{ good: boolean, why: string }}
 */
export function verdict({ good, counts, strict }) {
  if (!good) return { good: false, why: counts && counts.failed > 0 ? `${counts.failed} failed` : "failed" };
  if (counts !== null && counts.failed > 0) return { good: false, why: `${counts.failed} failed` };
  if (counts !== null && strict && counts.skipped > 0) {
    return { good: false, why: `${counts.skipped} skipped, and in CI every test must run` };
  }
  return { good: true, why: "" };
}

/** @param {Outcome} outcome @returns {string[]} */
export function verdictLines(outcome) {
  const { name, counts, elapsed } = outcome;
  const { good, why } = verdict(outcome);
  const numbers =
    counts === null
      ? ""
      : counts.passed + counts.failed + counts.skipped === 0
        ? ", no tests"
        : `, ${counts.passed} passed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ""}`;
  const line = `${good ? "ok    " : "FAILED"} ${name.padEnd(12)} ${elapsed}${numbers}${why === "" ? "" : `: ${why}`}`;
  return [line, ...(counts?.skippedNames ?? []).map((test) => `         skipped: ${test}`)];
}

/** @param {readonly Outcome[]} outcomes */
export function totals(outcomes) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { good, counts } of outcomes) {
    sum.passed += counts?.passed ?? 0;
    sum.skipped += counts?.skipped ?? 0;
    // A stage without tests (lint, types, or a runner that fell over) counts as one.
    sum.failed += counts !== null && counts.failed > 0 ? counts.failed : good ? 0 : 1;
  }
  return sum;
}
