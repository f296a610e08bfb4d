/**
 * How fast CRIU restores here, and what of the machine that depends on: for `aether doctor`. The variants are tried in
 * turn, so that whatever else the machine does meets them all alike.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { Epoll } from "../../ffi/epoll.ts";
import { AetherError } from "../../protocol/errors.ts";
import { packagePaths } from "../package-paths.ts";
import type { CriuTools } from "../sandbox/context.ts";
import { Launcher } from "../sandbox/launcher.ts";
import { ownProgram } from "../sandbox/sandbox.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { criuError } from "./criu-failure.ts";
import { encodeDump, encodeRestore } from "./criu-rpc.ts";
import { noBreakpoints } from "./criu-tools.ts";
import { askCriu, probeRequest } from "./probe-worker.ts";
import type { ProbeParts } from "./probe-worker.ts";

/** Restores of each variant. */
export const restoresEach = 12;
const firstPid = 100;
const readyDeadlineMs = 10_000;
const readyPollMs = 5;

export interface CriuSpeed {
  /** Restores in ms, in the order in which they were made: the n-th of each belong together. */
  readonly usual: readonly number[];
  /** CRIU has to ask the kernel what it can, as after a reboot. */
  readonly coldCache: readonly number[];
  /** CRIU_FAULT=130: threads are stopped without hardware breakpoints. */
  readonly noBreakpoints: readonly number[];
  /** Whether CRIU could keep its answers for the next one. */
  readonly cacheIsKept: boolean;
}

/**
 * Saves a small Node process, with the threads that it has, and restores it again and again. Nothing is left.
 * @throws AetherError AE_SANDBOX_SETUP_FAILED, AE_DUMP_FAILED, AE_RESTORE_FAILED
 */
export async function measureCriu(criu: CriuTools, snapshotDir: string): Promise<CriuSpeed> {
  const folder = mkdtempSync(`${snapshotDir}/aether-doctor-`);
  mkdirSync(`${folder}/images`, { mode: 0o700 });
  using epoll = new Epoll((error) => {
    throw error;
  });
  try {
    await using launcher = await Launcher.start(epoll, packagePaths.programs, true, () => undefined);
    const parts: ProbeParts = { epoll, launcher, criu, folder };
    await dumpNode(parts);
    let cacheIsKept = false;
    const restore = async (more: {
      readonly emptyRun?: boolean;
      readonly env?: Readonly<Record<string, string>>;
    }): Promise<number> => {
      const { response, ms } = await askCriu(parts, {
        ...more,
        before: (sandbox) => {
          if (more.emptyRun !== true) cacheIsKept = existsSync(`/proc/${sandbox.initPid}/root/run/criu.kdat`);
          return Promise.resolve();
        },
        encode: (worker) =>
          encodeRestore({
            ...probeRequest(worker),
            logLevel: 1,
            logFile: "restore.log",
            inherit: [],
            stepwise: false,
          }),
      });
      if (response.success) return ms;
      throw criuError("AE_RESTORE_FAILED", "doctor", {
        logFile: `${folder}/restore.log`,
        message: response.message,
      });
    };
    // The first of all fills the cache, and brings programs and libraries into memory.
    await restore({});
    const times = { usual: [] as number[], coldCache: [] as number[], noBreakpoints: [] as number[] };
    const variants = [
      async () => void times.usual.push(await restore({})),
      async () => void times.coldCache.push(await restore({ emptyRun: true })),
      async () => void times.noBreakpoints.push(await restore({ env: noBreakpoints })),
    ];
    for (let round = 0; round < restoresEach; round++) {
      for (let turn = 0; turn < variants.length; turn++) await variants[(round + turn) % variants.length]?.();
    }
    return { ...times, cacheIsKept };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function dumpNode(parts: ProbeParts): Promise<void> {
  const ready = `${parts.folder}/ready`;
  const { response } = await askCriu(parts, {
    before: (sandbox) => startNode(sandbox, ready),
    encode: (worker) =>
      encodeDump({
        ...probeRequest(worker),
        logFile: "dump.log",
        pid: firstPid,
        leaveStopped: true,
        timeoutSeconds: 10,
      }),
  });
  if (response.success) return;
  throw criuError("AE_DUMP_FAILED", "doctor", {
    logFile: `${parts.folder}/dump.log`,
    message: response.message,
  });
}

async function startNode(sandbox: Sandbox, ready: string): Promise<void> {
  const script = "require('node:fs').writeFileSync(process.argv[1], ''); setInterval(() => 0, 1e9);";
  await sandbox.spawn({
    ...ownProgram,
    argv: [process.execPath, "-e", script, ready],
    env: {},
    ioUringGuard: true,
    lastPid: firstPid - 1,
  });
  const deadline = performance.now() + readyDeadlineMs;
  while (!existsSync(ready)) {
    if (performance.now() > deadline)
      throw new AetherError("AE_SANDBOX_SETUP_FAILED", "a Node process in a sandbox does not come up", {
        why: `it was not ready within ${readyDeadlineMs} ms`,
      });
    await new Promise((resolve) => setTimeout(resolve, readyPollMs));
  }
}
