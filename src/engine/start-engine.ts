/** Runs the engine in a worker thread of this process: how console and `up --foreground` start it, and how it ends. */
import { setTimeout as setTimeoutPromise } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { AetherConfig, ConfigProblem } from "../protocol/config.ts";
import { AetherError, assertNever, toAetherError } from "../protocol/errors.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { threadLimits } from "./thread-limits.ts";
import type { EngineOrder, EngineReport } from "./worker-messages.ts";

export interface StartOptions {
  /** Absolute path; exactly one of `configFile` and `inline` is set. */
  readonly configFile: string | null;
  readonly inline: AetherConfig | null;
  /** `--engine NAME`, in place of the name in the configuration. */
  readonly engineName: string | null;
  /** The engine failed after it had started; `done` resolves with the same error. */
  readonly onFatal: (error: AetherError) => void;
  /** What the worker writes to its own stdout and stderr: a terminal in use by the console must not get it. */
  readonly onOutput?: (text: string) => void;
  /** For tests. */
  readonly workerUrl?: URL;
  readonly startDeadlineMs?: number;
}

export interface EngineHandle extends AsyncDisposable {
  readonly name: string;
  readonly controlSocket: string;
  /** Resolves when the engine is gone: `null` where it ended in order. Never rejects. */
  readonly done: Promise<AetherError | null>;
  /** Ordered shutdown; resolves when the engine is gone. After the deadline it is ended without order. */
  stop(reason: string, deadlineMs?: number): Promise<void>;
}

/** A configuration that is wrong is an expected outcome; any other failure to start rejects with an AetherError. */
export type StartResult =
  | { readonly ok: true; readonly engine: EngineHandle }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** The engine has deadlines of its own, by its functions' stop times; this is for one that does not answer at all. */
const stopDeadlineMs = 120_000;

/** Resolves when the control socket accepts; functions are still being started then. */
export async function startEngine(options: StartOptions): Promise<StartResult> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const url = options.workerUrl ?? new URL(`./worker.${extension}`, import.meta.url);
  // V8 forgets the compiled form of what was not run for a while: the first wake after a quiet night would compile anew.
  setFlagsFromString("--no-flush-bytecode");
  const worker = new Worker(url, {
    name: "aether-engine",
    stdout: true,
    stderr: true,
    resourceLimits: threadLimits,
  });
  for (const stream of [worker.stdout, worker.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => options.onOutput?.(text));
  }
  const outcome = Promise.withResolvers<StartResult>();
  const done = Promise.withResolvers<AetherError | null>();
  let started = false;
  let ending: { readonly error: AetherError | null } | null = null;

  /** The first reason counts: after a fatal error the exit of the thread is only its consequence. */
  const end = (error: AetherError | null): void => {
    if (ending !== null) return;
    ending = { error };
    if (error === null) return;
    if (started) options.onFatal(error);
    else outcome.reject(error);
  };
  worker.on("message", (report: EngineReport) => {
    switch (report.type) {
      case "started":
        started = true;
        if (report.epollNumber !== null) void silenceAtExit(report.epollNumber, done.promise);
        outcome.resolve({ ok: true, engine: makeHandle(worker, report, done.promise) });
        return;
      case "quiet":
        return collectGarbage();
      case "config-invalid":
        outcome.resolve({ ok: false, problems: report.problems });
        return end(null);
      case "fatal":
        return end(AetherError.from(report.error));
      case "stopped":
        return end(null);
      default:
        return assertNever(report);
    }
  });
  worker.on("error", (error) => end(toAetherError(error, "the engine failed")));
  worker.on("exit", (code) => {
    end(
      new AetherError("AE_ENGINE_LOST", "the engine ended without order", {
        why: `its thread exited with code ${code}`,
      }),
    );
    outcome.reject(new AetherError("AE_ENGINE_LOST", "the engine ended before it had started"));
    done.resolve(ending?.error ?? null);
  });
  worker.postMessage({
    type: "start",
    configFile: options.configFile,
    inline: options.inline,
    engineName: options.engineName,
  } satisfies EngineOrder);
  return await withinDeadline(outcome.promise, worker, options.startDeadlineMs ?? 60_000);
}

/** Until the engine is gone. Loaded when there is time: a console's first frame does not wait for it. */
async function silenceAtExit(epollNumber: number, done: Promise<unknown>): Promise<void> {
  const { silence } = await import("../ffi/epoll.ts");
  const onExit = (): void => silence(epollNumber);
  process.once("exit", onExit);
  await done;
  process.off("exit", onExit);
}

async function withinDeadline(
  outcome: Promise<StartResult>,
  worker: Worker,
  deadlineMs: number,
): Promise<StartResult> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new AetherError("AE_ENGINE_LOST", `the engine has not started within ${deadlineMs / 1000} s`),
    );
    void worker.terminate();
  }, deadlineMs);
  try {
    return await Promise.race([outcome, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function makeHandle(
  worker: Worker,
  report: Extract<EngineReport, { type: "started" }>,
  done: Promise<AetherError | null>,
): EngineHandle {
  let stopping: Promise<void> | null = null;
  const stop = (reason: string, deadlineMs = stopDeadlineMs): Promise<void> =>
    (stopping ??= stopWorker(worker, done, reason, deadlineMs));
  const { name, controlSocket } = report;
  return { name, controlSocket, done, stop, [Symbol.asyncDispose]: () => stop("closed") };
}

/** A thread inside a native call ends only after it; the launcher process cleans up what an engine leaves behind. */
async function stopWorker(
  worker: Worker,
  done: Promise<AetherError | null>,
  reason: string,
  deadlineMs: number,
): Promise<void> {
  worker.postMessage({ type: "stop", reason } satisfies EngineOrder);
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), deadlineMs);
  const first = await Promise.race([done, late.promise]);
  clearTimeout(timer);
  if (first !== "late") return;
  await Promise.race([worker.terminate(), setTimeoutPromise(2000, undefined, { ref: false })]);
}
