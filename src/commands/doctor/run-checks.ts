/** Puts all questions, one after another: some load the machine, and their times are told. */
import type { Check, CheckReport } from "./check.ts";
import { fail } from "./check.ts";

const deadlineMs = 30_000;

export async function* runChecks(checks: readonly Check[]): AsyncGenerator<CheckReport, void> {
  for (const check of checks) yield { name: check.name, ...(await runCheck(check)) };
}

async function runCheck(check: Check): Promise<Awaited<ReturnType<Check["run"]>>> {
  const late = Promise.withResolvers<Awaited<ReturnType<Check["run"]>>>();
  const timer = setTimeout(
    () =>
      late.resolve(
        fail("no answer", `not ended within ${deadlineMs / 1000} s`, "Try again on a quieter machine."),
      ),
    deadlineMs,
  );
  try {
    return await Promise.race([Promise.resolve(check.run()), late.promise]);
  } catch (error) {
    return fail(
      "the check itself failed",
      error instanceof Error ? error.message : String(error),
      "This is a defect in Aether; please report it.",
    );
  } finally {
    clearTimeout(timer);
  }
}
