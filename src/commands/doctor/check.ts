/** One question that `aether doctor` puts to the machine. Checks that need the engine's own modules are added by them. */

export type CheckStatus = "ok" | "warn" | "fail";

export interface CheckResult {
  readonly status: CheckStatus;
  /** What was found, on what. */
  readonly what: string;
  /** Why that is a problem; `null` where it is none. */
  readonly why: string | null;
  /** What to do; `null` where nothing is. */
  readonly hint: string | null;
}

export interface Check {
  /** Stable, for scripts: "kernel", "criu" ... */
  readonly name: string;
  /** Returns problems, and throws only by defect. Ends within the deadline of the doctor. */
  run(): Promise<CheckResult> | CheckResult;
}

export interface CheckReport extends CheckResult {
  readonly name: string;
}

export const ok = (what: string): CheckResult => ({ status: "ok", what, why: null, hint: null });

export const warn = (what: string, why: string, hint: string): CheckResult => ({
  status: "warn",
  what,
  why,
  hint,
});

export const fail = (what: string, why: string, hint: string): CheckResult => ({
  status: "fail",
  what,
  why,
  hint,
});
