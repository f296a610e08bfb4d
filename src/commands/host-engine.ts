/** Runs an engine in this process for as long as somebody looks at it, and ends it in order. */
import type { EngineHandle, StartOptions } from "../engine/start-engine.ts";
import type { AetherError } from "../protocol/errors.ts";
import { exitCodeOf, exitCodeOfSignal, exitCodes } from "./exit-code.ts";
import type { GlobalOptions } from "./globals.ts";
import type { Presenter } from "./present.ts";
import { showProblems } from "./output/show-problems.ts";
import { watchShutdownSignals } from "./shutdown-signals.ts";
import type { ShutdownSignals } from "./shutdown-signals.ts";

export interface HostOptions {
  readonly globals: GlobalOptions;
  readonly source: Pick<StartOptions, "configFile" | "inline" | "engineName">;
  /** Its number counts where neither signal nor failure ended the engine. */
  readonly presenter: Presenter;
}

/** The engine's own last words: shown where it fails, since a console may have owned the terminal. */
const keptOutput = 8 * 1024;

export async function hostEngine(options: HostOptions): Promise<number> {
  using signals = watchShutdownSignals();
  const { startEngine } = await import("../engine/start-engine.ts");
  let output = "";
  const result = await startEngine({
    ...options.source,
    onFatal: () => undefined, // `done` tells it
    onOutput: (text) => (output = (output + text).slice(-keptOutput)),
    ...testWorker(),
  });
  if (!result.ok) {
    await showProblems(result.problems, options.source.configFile, options.globals.json === true);
    return exitCodes.usage;
  }
  const { engine } = result;
  const shown = await present(options, engine, signals);
  await engine.stop(signals.received() ?? "console closed");
  const failure = await engine.done;
  if (output !== "") process.stderr.write(output);
  return await exitCode(options, failure, signals, shown);
}

/** Returns when the user leaves, the engine ends, or a signal comes. */
async function present(
  options: HostOptions,
  engine: EngineHandle,
  signals: ShutdownSignals,
): Promise<number> {
  // On a signal the engine ends first: its last events are still shown, and the stream's end closes the console.
  void signals.first.then((signal) => engine.stop(signal));
  const { connectToEngine } = await import("../client/control-client.ts");
  try {
    await using connection = await connectToEngine({
      engineName: engine.name,
      mode: "in-process",
      socketPath: engine.controlSocket,
      wanted: options.presenter.wanted,
    });
    return await options.presenter.show(connection);
  } catch (error) {
    if (signals.received() !== null) return exitCodes.ok; // ended while the console was opening
    await engine.stop("console failed");
    // Where the engine failed while the console was opening, its own reason counts: the caller tells it.
    if ((await engine.done) !== null) return exitCodes.failure;
    throw error;
  }
}

async function exitCode(
  options: HostOptions,
  failure: AetherError | null,
  signals: ShutdownSignals,
  shown: number,
): Promise<number> {
  const signal = signals.received();
  if (failure !== null) {
    const { reportError } = await import("./output/report-error.ts");
    const { globals } = options;
    reportError(failure, {
      json: globals.json === true,
      verbose: globals.verbose === true,
      color: globals.color,
    });
    if (signal === null) return exitCodeOf(failure.code);
  }
  return signal === null ? shown : exitCodeOfSignal(signal);
}

/** Tests of the shell put a fake in the place of the worker. */
function testWorker(): { workerUrl?: URL } {
  const url = process.env["AETHER_TEST_WORKER"];
  return url === undefined ? {} : { workerUrl: new URL(url) };
}
