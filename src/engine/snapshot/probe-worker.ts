/** One request to a CRIU in a sandbox of its own, with its time: what the probes of `aether doctor` are made of. */
import type { Epoll } from "../../ffi/epoll.ts";
import { openDirectory } from "../../ffi/fd.ts";
import type { CriuTools } from "../sandbox/context.ts";
import type { Launcher } from "../sandbox/launcher.ts";
import { Sandbox, SandboxSetup } from "../sandbox/sandbox.ts";
import type { CriuResponse } from "./criu-rpc.ts";
import { CriuWorker } from "./criu-worker.ts";

export interface ProbeParts {
  readonly epoll: Epoll;
  readonly launcher: Launcher;
  readonly criu: CriuTools;
  /** Holds `images/`, and the logs. */
  readonly folder: string;
}

export interface ProbeRequest {
  readonly encode: (worker: CriuWorker) => Uint8Array;
  /** Beside the tools' own. */
  readonly env?: Readonly<Record<string, string>>;
  /** An empty /run: CRIU finds no cache of kernel features there. */
  readonly emptyRun?: boolean;
  /** Before the worker is started. */
  readonly before?: (sandbox: Sandbox) => Promise<void>;
}

/** Asks, and ends the sandbox with all that was restored in it. The time is from the request to the answer. */
export async function askCriu(
  { epoll, launcher, criu, folder }: ProbeParts,
  request: ProbeRequest,
): Promise<{ readonly response: CriuResponse; readonly ms: number }> {
  const setup = new SandboxSetup().mount("proc", "proc", "/proc");
  if (request.emptyRun === true) setup.mount("tmpfs", "tmpfs", "/run");
  const sandbox = await Sandbox.create(epoll, launcher, "doctor", { network: null, setup });
  try {
    await request.before?.(sandbox);
    using images = openDirectory(`${folder}/images`);
    using work = openDirectory(folder);
    using worker = await CriuWorker.start(epoll, sandbox, {
      criu: criu.binary,
      env: { ...criu.env, ...request.env },
      images,
      work,
      // As a wake does it, whose image has been looked at before.
      validate: "size",
      join: [],
      inherit: [],
    });
    const startedAt = performance.now();
    const response = await worker.request(request.encode(worker));
    return { response, ms: performance.now() - startedAt };
  } finally {
    sandbox.kill();
    // Its processes must be gone before the next one is timed.
    await sandbox.gone;
  }
}

/** What every probe's request says. */
export const probeRequest = (worker: CriuWorker) => ({
  imagesFd: worker.imagesFd,
  workFd: worker.workFd,
  logLevel: 2,
  tcp: "refuse" as const,
});
