/** The checks of `aether doctor`, in their order. */
import { chooseConfigFile } from "../../client/engine-name.ts";
import type { GlobalOptions } from "../globals.ts";
import { capabilitiesCheck } from "./capabilities.ts";
import type { Check } from "./check.ts";
import { criuWorksCheck, libCriuCheck } from "./criu-works.ts";
import { dataPlaneCheck } from "./data-plane-check.ts";
import { cgroupCheck, kernelCheck, libbpfCheck, migrateCheck, nodeCheck } from "./machine-checks.ts";
import { hugePagesCheck, swapCheck } from "./memory-checks.ts";
import { restoreSpeedChecks } from "./restore-speed.ts";
import { criuCheck, sharedMemoryCheck, snapshotDirCheck } from "./snapshot-checks.ts";

export async function allChecks(globals: GlobalOptions): Promise<readonly Check[]> {
  const folder = await snapshotDir(globals);
  return [
    nodeCheck,
    kernelCheck,
    capabilitiesCheck,
    cgroupCheck,
    sharedMemoryCheck,
    snapshotDirCheck(folder),
    hugePagesCheck,
    swapCheck,
    migrateCheck,
    libbpfCheck,
    dataPlaneCheck(globals),
    criuCheck,
    libCriuCheck,
    criuWorksCheck(folder),
    ...restoreSpeedChecks(folder),
  ];
}

/** As in the configuration that is meant, else the default. */
async function snapshotDir(globals: GlobalOptions): Promise<string> {
  const file = chooseConfigFile({ engine: globals.engine, config: globals.config });
  if (file === null) return "/dev/shm";
  const { loadConfig } = await import("../../engine/config/load.ts");
  const result = loadConfig(file, { checkPorts: false, ownPorts: new Set() });
  return result.ok ? result.config.engine.snapshotDir : "/dev/shm";
}
