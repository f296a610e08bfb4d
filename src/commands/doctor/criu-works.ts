/** Whether CRIU really saves and restores a process here, and how long that takes. */
import { toAetherError } from "../../protocol/errors.ts";
import type { Check } from "./check.ts";
import { fail, ok } from "./check.ts";

/** A dump and a restore of `sleep`, in sandboxes as the engine makes them. */
export function criuWorksCheck(snapshotDir: string): Check {
  return {
    name: "criu-works",
    async run() {
      try {
        const { findCriu } = await import("../../engine/snapshot/criu-tools.ts");
        const { packagePaths } = await import("../../engine/package-paths.ts");
        const { probeCriu } = await import("../../engine/snapshot/criu-probe.ts");
        const criu = findCriu(packagePaths.tools);
        const { dumpMs, restoreMs } = await probeCriu(criu, snapshotDir);
        return ok(
          `CRIU ${criu.version} saved a process in ${dumpMs.toFixed(1)} ms and restored it in ${restoreMs.toFixed(1)} ms`,
        );
      } catch (error) {
        const { what, why, hint } = toAetherError(error);
        return fail(what, why ?? "no reason was given", hint ?? "Run `npm run setup` in Aether's folder.");
      }
    },
  };
}

/** libcriu: version, `criu check`, and what works on this kernel. */
export const libCriuCheck: Check = {
  name: "libcriu",
  async run() {
    try {
      const { findCriu } = await import("../../engine/snapshot/criu-tools.ts");
      const { packagePaths } = await import("../../engine/package-paths.ts");
      const { libCriuAnswer } = await import("../../engine/snapshot/libcriu-answer.ts");
      const { version, features } = libCriuAnswer(findCriu(packagePaths.tools));
      const works = Object.entries(features ?? {}).flatMap(([name, there]) => (there ? [name] : []));
      return ok(
        `libcriu ${version}: check passed; ${works.length === 0 ? "no optional feature" : works.join(", ")}`,
      );
    } catch (error) {
      const { what, why, hint } = toAetherError(error);
      return fail(what, why ?? "no reason was given", hint ?? "Run `npm run setup` in Aether's folder.");
    }
  },
};
