/** The moment in which a running function can be ended without cutting off an answer. */
import type { Instance } from "./driver.ts";
import type { FunctionCore } from "./function-core.ts";

const waitMs = 500;
const pauseMs = 10;

/**
 * Waits until nobody is being answered and leaves the instance standing still: whoever connects from here on waits on the
 * held listeners for the version that follows. With clients that do not leave, or where it cannot be frozen, it goes on as it was.
 */
export async function quietMoment(core: FunctionCore, instance: Instance): Promise<void> {
  for (const end = core.around.monotonic() + waitMs; core.around.monotonic() < end;) {
    if (instance.openConnections() === 0) {
      try {
        await instance.suspend();
      } catch {
        return; // It is ended all the same.
      }
      // Between the look and the standstill a client may have been accepted.
      if (instance.openConnections() === 0) return;
      instance.resume();
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
