/** Who looks at an engine: the console on a terminal, plain or JSON lines anywhere else. */
import type { ConsoleConnection, EngineConnection } from "../client/connection.ts";
import type { Wanted } from "../client/control-client.ts";
import { toAetherError } from "../protocol/errors.ts";
import { exitCodeOfSignal } from "./exit-code.ts";
import type { GlobalOptions } from "./globals.ts";

const maxWaitingBytes = 4 * 1024 * 1024;

export function wantsConsole(globals: GlobalOptions): boolean {
  return globals.headless !== true && globals.json !== true && process.stdout.isTTY && process.stdin.isTTY;
}

/** Somebody who looks at an engine. */
export interface Presenter {
  /** What it has a use for. */
  readonly wanted: Wanted;
  /** Shows the engine until it is gone or the user leaves; returns the exit code. */
  readonly show: (connection: EngineConnection) => Promise<number>;
}

/**
 * What shows an engine of this process, or one that is only listened to. What the console needs of the user is read now,
 * before anything is started.
 * @throws AetherError AE_KEYS_INVALID, AE_KEYS_CONFLICT, AE_USAGE for a theme that there is not
 */
export async function presenterFor(globals: GlobalOptions): Promise<Presenter> {
  if (!wantsConsole(globals)) {
    const wanted = { functions: false, logs: true };
    return { wanted, show: (connection) => presentLines(connection, globals) };
  }
  const showConsole = await consoleFor(globals);
  const show: Presenter["show"] = async (connection) => {
    const { withLiveStats } = await import("../client/live-stats.ts");
    await using live = withLiveStats(connection);
    const code = await showConsole(live);
    if (live.failure !== null) throw live.failure;
    return code;
  };
  return { wanted: { functions: true, logs: true }, show };
}

/**
 * The console on an engine elsewhere, which may go and come back.
 * @param connect opens a connection, or throws; the first one must come about
 * @throws AetherError as `presenterFor`
 */
export async function presentAttached(
  connect: () => Promise<ConsoleConnection>,
  globals: GlobalOptions,
): Promise<number> {
  const show = await consoleFor(globals);
  const { keepConnected } = await import("../client/keep-connected.ts");
  await using connection = await keepConnected(connect);
  return await show(connection);
}

async function consoleFor(
  globals: GlobalOptions,
): Promise<(connection: ConsoleConnection) => Promise<number>> {
  const { hasKeyFile } = await import("./key-file-path.ts");
  const { defaultKeymap } = await import("../ui/keys/keymap.ts");
  const { loadAppearance } = await import("./appearance.ts");
  const keymap = hasKeyFile(process.env)
    ? (await import("./key-file.ts")).loadKeymap(process.env)
    : defaultKeymap;
  const appearance = loadAppearance(globals, process.env);
  return async (connection) => {
    const { loadConsole } = await import("../ui/load-console.ts");
    const { runConsole } = await loadConsole();
    const readOnly = globals.readOnly === true;
    const { reason, error, signal } = await runConsole(connection, { ...appearance, readOnly, keymap });
    // How an engine of this process ended is told by its host, with more knowledge than the stream has.
    if (error !== null && !(reason === "engine-gone" && connection.mode === "in-process"))
      throw toAetherError(error, "the console failed");
    return signal === null ? 0 : exitCodeOfSignal(signal);
  };
}

/** Events and output as lines, until the engine is gone. */
async function presentLines(connection: EngineConnection, globals: GlobalOptions): Promise<number> {
  const { StreamLines } = await import("./output/stream-lines.ts");
  const stream = new StreamLines();
  const format = globals.json === true ? "json" : "plain";
  const unsubscribe = connection.subscribe((message) => {
    // A reader that does not read must not fill the memory: what does not fit is left out.
    if (process.stdout.writableLength < maxWaitingBytes) process.stdout.write(stream.lines(message, format));
  });
  const reason = await connection.closed;
  unsubscribe();
  if (reason !== null && connection.mode === "attached") throw reason;
  return 0;
}

/** In the background: events into a file that is rotated. The output of functions goes to files of its own. */
export function filePresenter(path: string): Presenter {
  return {
    wanted: { functions: false, logs: false },
    show: (connection) => presentToFile(connection, path),
  };
}

async function presentToFile(connection: EngineConnection, path: string): Promise<number> {
  const { StreamLines } = await import("./output/stream-lines.ts");
  const stream = new StreamLines();
  const { RotatingFile } = await import("../engine/logs/rotating-file.ts");
  await using file = new RotatingFile({ path, onNotice: (text) => void process.stderr.write(`${text}\n`) });
  const unsubscribe = connection.subscribe((message) => {
    file.write(stream.lines(message, "plain"));
  });
  await connection.closed;
  unsubscribe();
  return 0;
}
