/** What is made ready between a sleep and the wake that follows it. */
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionCore } from "./function-core.ts";

/** Makes the next wake's sandbox. A failure is reported, not fatal: the wake makes its own then. */
export async function prepareNext(core: FunctionCore): Promise<void> {
  if (core.image === null || core.closing) return;
  try {
    await core.driver.prepare(core.image);
  } catch (error) {
    if (error instanceof AetherError) core.report(error);
    else throw error;
  }
}
