/** A real dump and restore of a tiny process, for `aether doctor`: the proof that CRIU works here, with its times. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { Epoll } from "../../ffi/epoll.ts";
import { AetherError } from "../../protocol/errors.ts";
import { packagePaths } from "../package-paths.ts";
import type { CriuTools } from "../sandbox/context.ts";
import { Launcher } from "../sandbox/launcher.ts";
import { ownProgram } from "../sandbox/sandbox.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { criuError } from "./criu-failure.ts";
import { encodeDump, encodeRestore } from "./criu-rpc.ts";
import { askCriu, probeRequest } from "./probe-worker.ts";

export interface CriuProbe {
  readonly dumpMs: number;
  readonly restoreMs: number;
}

const tinyProgram = ["/bin/sleep", "1000"] as const;
const tinyPid = 100;

/**
 * Dumps and restores `sleep` below the given folder; nothing is left.
 * @throws AetherError AE_SANDBOX_SETUP_FAILED, AE_DUMP_FAILED, AE_RESTORE_FAILED
 */
export async function probeCriu(criu: CriuTools, snapshotDir: string): Promise<CriuProbe> {
  const folder = mkdtempSync(`${snapshotDir}/aether-doctor-`);
  mkdirSync(`${folder}/images`, { mode: 0o700 });
  using epoll = new Epoll((error) => {
    throw error;
  });
  try {
    await using launcher = await Launcher.start(epoll, packagePaths.programs, true, () => undefined);
    const parts = { epoll, launcher, criu, folder };
    const dump = await askCriu(parts, {
      before: startTiny,
      encode: (worker) =>
        encodeDump({
          ...probeRequest(worker),
          logFile: "dump.log",
          pid: tinyPid,
          leaveStopped: true,
          timeoutSeconds: 10,
        }),
    });
    if (!dump.response.success)
      throw criuError("AE_DUMP_FAILED", "doctor", {
        logFile: `${folder}/dump.log`,
        message: dump.response.message,
      });
    const restore = await askCriu(parts, {
      encode: (worker) =>
        encodeRestore({ ...probeRequest(worker), logFile: "restore.log", inherit: [], stepwise: false }),
    });
    if (!restore.response.success) {
      throw criuError("AE_RESTORE_FAILED", "doctor", {
        logFile: `${folder}/restore.log`,
        message: restore.response.message,
      });
    }
    return { dumpMs: dump.ms, restoreMs: restore.ms };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startTiny(sandbox: Sandbox): Promise<void> {
  const { pid } = await sandbox.spawn({
    ...ownProgram,
    argv: tinyProgram,
    env: {},
    lastPid: tinyPid - 1,
  });
  if (pid !== tinyPid)
    throw new AetherError("AE_SANDBOX_SETUP_FAILED", `a process got the id ${pid} instead of ${tinyPid}`);
}
