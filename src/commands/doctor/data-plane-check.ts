/** Whether the data plane of the running engine is in the kernel as the engine believes. */
import { findEngine } from "../../client/find-engine.ts";
import type { DataPlaneView } from "../../protocol/views.ts";
import type { GlobalOptions } from "../globals.ts";
import { engineNameOf, withEngine } from "../with-engine.ts";
import type { Check } from "./check.ts";
import { fail, ok } from "./check.ts";

/** Views follow the engine by a quarter of a second: what differs for longer than that is an error. */
const settleMs = 500;

export function dataPlaneCheck(globals: GlobalOptions): Check {
  return {
    name: "data-plane",
    async run() {
      const name = await engineNameOf(globals).catch(() => null);
      if (name === null || findEngine(name) === null) return ok("no engine is running");
      const view = await dataPlaneOf(globals);
      if (view === null) return ok(`off in the engine ${name}`);
      const { disagreements } = await import("../../engine/dataplane/agreement.ts");
      let found = disagreements(view);
      if (found.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, settleMs));
        found = disagreements((await dataPlaneOf(globals)) ?? view);
      }
      const where = view.interfaces.map((each) => `${each.name} (${each.mode})`).join(", ");
      if (found.length === 0) return ok(`on ${where}; kernel and engine agree on ${view.ports.length} ports`);
      return fail(
        `the data plane of ${name} is not what the engine believes`,
        `${found.slice(0, 3).join("; ")}${found.length > 3 ? `; and ${found.length - 3} more` : ""}`,
        "Somebody has changed it from outside: start the engine again.",
      );
    },
  };
}

async function dataPlaneOf(globals: GlobalOptions): Promise<DataPlaneView | null> {
  return (await withEngine(globals, (requests) => requests.state())).engine.dataPlane;
}
