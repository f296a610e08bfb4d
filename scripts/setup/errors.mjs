// @ts-check

/** Exit code for "this machine lacks something that you must install"; every other failure is 1. */
export const EXIT_MACHINE = 3;

/** A failure in three lines: what failed, why, and what to do about it. */
export class SetupError extends Error {
  /**
   * @param {{ what: string, why: string, fix: string, output?: string, exitCode?: number, cause?: unknown }} parts
   */
  constructor({ what, why, fix, output, exitCode = 1, cause }) {
    super(`${what}: ${why}`, cause === undefined ? undefined : { cause });
    this.name = "SetupError";
    this.what = what;
    this.why = why;
    this.fix = fix;
    /** Last output of the program that failed, shown under the three lines. */
    this.output = output ?? "";
    this.exitCode = exitCode;
  }
}

/** @param {string} text @param {number} [count] */
export function lastLines(text, count = 15) {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

/** @param {string} text */
export function lastLine(text) {
  return lastLines(text, 1).trim();
}
