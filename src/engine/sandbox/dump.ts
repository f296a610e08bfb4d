/** Saving a running instance: a CRIU inside its own sandbox, so that the image holds no namespaces. */
import { constants, release } from "node:os";
import { openDirectory } from "../../ffi/fd.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { DumpResult } from "../lifecycle/driver.ts";
import { criuError } from "../snapshot/criu-failure.ts";
import { heapPath } from "./layout.ts";
import { encodeDump } from "../snapshot/criu-rpc.ts";
import { CriuWorker } from "../snapshot/criu-worker.ts";
import { folderBytes } from "../snapshot/image.ts";
import type { ImageFolder } from "../snapshot/image.ts";
import { commandHash, manifestFormat } from "../snapshot/manifest.ts";
import type { SandboxContext } from "./context.ts";
import type { SandboxInstance } from "./sandbox-instance.ts";

/** CRIU's own limit for stopping the processes; ours for the whole dump. */
const criuTimeoutSeconds = 10;
const dumpDeadlineMs = 60_000;
/** Warnings too: a dump is not on the wake path, and its log explains failures. */
const dumpLogLevel = 2;
const dumpLogName = "dump.log";

export interface DumpRequest {
  readonly config: FunctionConfig;
  readonly instance: SandboxInstance;
  readonly images: ImageFolder;
  readonly workDirectory: string;
  readonly listens: readonly ListenAddress[];
}

/**
 * Dumps the instance and leaves it stopped.
 * @throws AetherError AE_DUMP_FAILED; CRIU has let the process go on then
 */
export async function dumpInstance(context: SandboxContext, request: DumpRequest): Promise<DumpResult> {
  const { config, instance, images } = request;
  const startedAt = context.monotonic();
  const directory = beginImage(images, config.id);
  const failed = (message: string | null): AetherError =>
    criuError("AE_DUMP_FAILED", config.id, { logFile: `${request.workDirectory}/${dumpLogName}`, message });
  let worker: CriuWorker | null = null;
  try {
    using imagesFd = openDirectory(directory);
    using work = openDirectory(request.workDirectory);
    // No cgroup is joined: pages written to tmpfs are charged to the writer, and must not count against the function.
    worker = await CriuWorker.start(context.epoll, instance.sandbox, {
      criu: context.criu.binary,
      env: context.criu.dumpEnv,
      images: imagesFd,
      work,
      validate: "build-id",
      join: [],
      inherit: [],
    });
    instance.helpers.add(worker.pid);
    const message = encodeDump({
      imagesFd: worker.imagesFd,
      workFd: worker.workFd,
      logLevel: dumpLogLevel,
      logFile: dumpLogName,
      tcp: config.connections,
      pid: instance.rootPid,
      leaveStopped: true,
      timeoutSeconds: criuTimeoutSeconds,
    });
    const response = await withDeadline(worker.request(message), dumpDeadlineMs);
    if (!response.success) throw failed(response.message);
    const finished = await withDeadline(
      context.finishImage({
        directory,
        image: config.image,
        limited: config.memoryLimitBytes !== null,
        initPid: instance.sandbox.initPid,
        heapPath,
        formerHeap: instance.heapFile,
      }),
      dumpDeadlineMs,
    );
    const durationMs = context.monotonic() - startedAt;
    const image = images.finish(directory, {
      format: manifestFormat,
      functionId: config.id,
      commandHash: commandHash(config),
      criuVersion: context.criu.version,
      kernel: release(),
      engineVersion: context.engineVersion,
      createdAtMs: context.now(),
      golden: false,
      ...finished,
      rootPid: instance.rootPid,
      tcp: config.connections,
      ring: instance.ring?.record ?? null,
      stdout: instance.pipes.names.stdout,
      stderr: instance.pipes.names.stderr,
      listens: request.listens.map(({ family, address, port, v6Only }) => ({
        family,
        address: [...address],
        port,
        v6Only,
      })),
      sizeBytes: folderBytes(directory),
      dumpMs: durationMs,
      trialMs: null,
      files: [],
    });
    return { image, durationMs };
  } catch (error) {
    context.discard(directory);
    if (worker !== null) await setFree(instance, worker);
    throw error instanceof AetherError
      ? error
      : failed(error instanceof Error ? error.message : String(error));
  } finally {
    if (worker !== null) {
      instance.helpers.delete(worker.pid);
      worker[Symbol.dispose]();
      await instance.sandbox.release([worker.imagesFd, worker.workFd]).catch(() => undefined); // Gone with its init.
    }
  }
}

/**
 * After a failure the instance runs on, whatever state CRIU left it in: a worker without an answer is ended, and a
 * process it has stopped is let go.
 */
async function setFree(instance: SandboxInstance, worker: CriuWorker): Promise<void> {
  try {
    if (worker.isAtWork) await instance.sandbox.signal(worker.pid, constants.signals.SIGKILL);
    await instance.continueAfterDump();
  } catch {
    // The sandbox is gone, and its end is reported by the instance.
  }
}

function beginImage(images: ImageFolder, functionId: string): string {
  try {
    return images.begin();
  } catch (error) {
    const full = error instanceof Error && "code" in error && error.code === "ENOSPC";
    throw new AetherError("AE_DUMP_FAILED", `${functionId}: no snapshot could be made`, {
      why: full ? "no space left where snapshots are kept" : String(error),
      hint: "Free memory in the snapshot folder, or set engine.snapshot_dir to a larger one.",
      data: { function: functionId, reason: full ? "NoSpace" : "Unknown" },
      cause: error,
    });
  }
}

async function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`CRIU did not finish within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
