/** A real dump and restore of a tiny process, for `aether doctor`: the proof that CRIU works here, with its times. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { Epoll } from "../../ffi/epoll.ts";
import { openDirectory } from "../../ffi/fd.ts";
import { AetherError } from "../../protocol/errors.ts";
import { packagePaths } from "../package-paths.ts";
import type { CriuTools } from "../sandbox/context.ts";
import { Launcher } from "../sandbox/launcher.ts";
import { ownProgram, Sandbox, SandboxSetup } from "../sandbox/sandbox.ts";
import { criuError } from "./criu-failure.ts";
import { encodeDump, encodeRestore } from "./criu-rpc.ts";
import type { CriuResponse } from "./criu-rpc.ts";
import { CriuWorker } from "./criu-worker.ts";

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
    const inSandbox = async (
      encode: (worker: CriuWorker) => Uint8Array,
      before: (sandbox: Sandbox) => Promise<void>,
    ): Promise<{ response: CriuResponse; ms: number }> => {
      using sandbox = await Sandbox.create(epoll, launcher, "doctor", {
        privateNetwork: false,
        setup: new SandboxSetup().mount("proc", "proc", "/proc"),
      });
      await before(sandbox);
      using images = openDirectory(`${folder}/images`);
      using work = openDirectory(folder);
      using worker = await CriuWorker.start(epoll, sandbox, {
        criu: criu.binary,
        env: criu.env,
        images,
        work,
        validate: "build-id",
        join: [],
        inherit: [],
      });
      const startedAt = performance.now();
      const response = await worker.request(encode(worker));
      return { response, ms: performance.now() - startedAt };
    };
    const common = (worker: CriuWorker) => ({
      imagesFd: worker.imagesFd,
      workFd: worker.workFd,
      logLevel: 2,
      tcp: "refuse" as const,
    });
    const dump = await inSandbox(
      (worker) =>
        encodeDump({
          ...common(worker),
          logFile: "dump.log",
          pid: tinyPid,
          leaveStopped: true,
          timeoutSeconds: 10,
        }),
      startTiny,
    );
    if (!dump.response.success)
      throw criuError("AE_DUMP_FAILED", "doctor", {
        logFile: `${folder}/dump.log`,
        message: dump.response.message,
      });
    const restore = await inSandbox(
      (worker) => encodeRestore({ ...common(worker), logFile: "restore.log", inherit: [] }),
      () => Promise.resolve(),
    );
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
