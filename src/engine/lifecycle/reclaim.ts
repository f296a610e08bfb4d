/** After a function was frozen: its memory goes back to the machine, where `idle.reclaim` says so. */
import { toAetherError } from "../../protocol/errors.ts";
import type { Instance } from "./driver.ts";
import type { FunctionCore } from "./function-core.ts";

/**
 * Begins to hand the memory back. Beside the queue of operations: a client that comes meanwhile is served at once, and what is
 * under way ends with the wake.
 */
export function reclaimSoon(core: FunctionCore, instance: Instance): void {
  if (!core.config.idle.reclaim) return;
  const startedAt = core.around.monotonic();
  instance
    .reclaim()
    .then((result) => {
      if (core.instance !== instance) return;
      const durationMs = core.around.monotonic() - startedAt;
      core.around.emit({
        type: "reclaim",
        functionId: core.id,
        instance: instance.id,
        durationMs,
        ...result,
      });
      core.around.changed(core.id);
    })
    .catch((error: unknown) => {
      if (core.instance === instance) core.report(toAetherError(error));
    });
}
