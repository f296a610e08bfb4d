/** The live console: from a connection to an engine until the user leaves or the engine is gone. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { render, useApp } from "ink";
import { useEffect } from "react";
import type { ConsoleConnection } from "../client/connection.ts";
import { App } from "./app.tsx";
import { ErrorBoundary } from "./components/error-boundary.tsx";
import { createController } from "./control/controller.ts";
import type { ExitReason } from "./control/host.ts";
import { createViewFeeds } from "./control/view-feeds.ts";
import { leaveSignalsToProgram, stopUntilContinued } from "./control/job-control.ts";
import { terminalSize } from "./hooks/use-terminal-size.ts";
import type { Keymap } from "./keys/keymap.ts";
import { createPainter } from "./screen/painter.ts";
import { initialState } from "./store/reduce.ts";
import { calmMs, createStore, gatherMs } from "./store/store.ts";
import { colourDepth } from "./theme/themes.ts";
import type { ThemeName } from "./theme/themes.ts";

export interface ConsoleOptions {
  readonly theme?: ThemeName;
  readonly readOnly?: boolean;
  readonly screenReader?: boolean;
  /** Nothing but ASCII. */
  readonly ascii?: boolean;
  /** What changes by itself is shown once a second. */
  readonly reducedMotion?: boolean;
  /** Keeps a theme that was chosen. May throw: the console says so. */
  readonly remember?: (theme: ThemeName) => void;
  /** The user's keys. */
  readonly keymap?: Keymap;
  readonly stdout?: NodeJS.WriteStream;
  readonly stdin?: NodeJS.ReadStream;
}

export interface ConsoleOutcome {
  readonly reason: ExitReason;
  /** What went wrong, where something did: the caller ends the engine in order and prints it. */
  readonly error: Error | null;
  /** Which signal, for the exit code. */
  readonly signal: NodeJS.Signals | null;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const satisfies readonly NodeJS.Signals[];

type Suspend = ReturnType<typeof useApp>["suspendTerminal"];

/** Hands Ink's way of giving up the terminal to the world outside the tree. */
function SuspendBridge({ onReady }: { readonly onReady: (suspend: Suspend) => void }) {
  const { suspendTerminal } = useApp();
  useEffect(() => onReady(suspendTerminal), [onReady, suspendTerminal]);
  return null;
}

/**
 * Shows the console and resolves once the terminal is as it was before. Never stops an engine itself, save where the
 * user orders it of an engine that lives elsewhere.
 */
export async function runConsole(
  connection: ConsoleConnection,
  options: ConsoleOptions = {},
): Promise<ConsoleOutcome> {
  const stdout = options.stdout ?? process.stdout;
  const stdin = options.stdin ?? process.stdin;
  const { env } = process;
  const spoken = options.screenReader ?? false;
  const ended = Promise.withResolvers<ConsoleOutcome>();
  const leave = (
    reason: ExitReason,
    error: Error | null = null,
    signal: NodeJS.Signals | null = null,
  ): void => ended.resolve({ reason, error, signal });
  const leaving: ExitReason = connection.mode === "attached" ? "detach" : "quit";
  const fail = (error: unknown): void =>
    leave(leaving, error instanceof Error ? error : new Error(String(error)));
  /** A defect in the console must not take the engine down with it: whatever throws ends the console in order. */
  const guarded =
    <Args extends readonly unknown[]>(run: (...args: Args) => void) =>
    (...args: Args): void => {
      try {
        run(...args);
      } catch (error) {
        fail(error);
      }
    };

  using store = createStore(
    initialState(connection.engineName, connection.mode, {
      ...terminalSize(stdout),
      theme: options.theme ?? "dark",
      readOnly: (options.readOnly ?? false) || connection.numbersOnly,
      numbersOnly: connection.numbersOnly,
      ...(options.keymap === undefined ? {} : { keymap: options.keymap }),
    }),
    { gatherMs: options.reducedMotion === true ? calmMs : gatherMs, onError: fail },
  );
  let suspend: Suspend | null = null;
  let isLent = false;
  /** A key that was pressed twice must not give the terminal away twice: Ink takes that for a defect and ends. */
  const giveAway = async (work: () => Promise<void>): Promise<void> => {
    if (isLent) return;
    isLent = true;
    try {
      await suspend?.(work);
    } finally {
      isLent = false;
    }
  };
  using controller = createController({
    store,
    connection,
    leave: (reason) => leave(reason),
    toShell: async () => suspend?.(stopUntilContinued),
    lend: async (work) => {
      using _signals = leaveSignalsToProgram(connection.mode);
      await giveAway(async () => {
        // Ink gives raw mode up, but the stream goes on reading, and keys would be lost to the program. `pause` alone does
        // nothing to a stream that was read by "readable". Each step takes its turn: what Node has scheduled for the listener
        // that Ink removed would start the reading again.
        await nextTurn();
        stdin.resume();
        stdin.pause();
        await nextTurn();
        await work();
      });
    },
    writeSequence: (sequence) => void stdout.write(sequence),
    remember: options.remember ?? (() => undefined),
    env,
  });
  using _feeds = createViewFeeds({ store, connection });
  const onSignal = (signal: NodeJS.Signals): void => leave("signal", null, signal);
  // With a handler of ours Ink does not end the process at once, and the engine can be ended in order.
  for (const signal of signals) process.on(signal, onSignal);
  // A terminal that went away fails every write; unheard, that error would end the process and leave the functions to
  // the launcher. The listeners stay: the caller may still try to print.
  const onLost = (): void => leave("signal", null, "SIGHUP");
  stdout.on("error", onLost);
  stdin.on("error", onLost);
  const unwatch = connection.watchLink(guarded((link) => store.dispatch({ type: "link", link })));
  const unsubscribe = connection.subscribe(guarded(store.receive));
  void connection.closed.then((error) => leave("engine-gone", error));

  const painter = createPainter(stdout);
  const instance = render(
    <ErrorBoundary onError={fail}>
      <SuspendBridge onReady={(ready) => (suspend = ready)} />
      <App
        store={store}
        controller={{ ...controller, press: guarded(controller.press), paste: guarded(controller.paste) }}
        colours={colourDepth(env, stdout.getColorDepth?.() ?? 1)}
        ascii={options.ascii ?? false}
        painter={painter}
      />
    </ErrorBoundary>,
    {
      stdout: spoken ? stdout : painter.stdout,
      stdin,
      // The caller has seen that this is a terminal. Left to itself Ink would draw nothing where CI is set.
      interactive: true,
      alternateScreen: !spoken,
      exitOnCtrlC: false,
      patchConsole: false,
      incrementalRendering: true,
      maxFps: 20,
      isScreenReaderEnabled: spoken,
    },
  );
  // Ink ends by itself when its streams do.
  instance.waitUntilExit().then(
    () => leave(leaving),
    (error: unknown) => fail(error),
  );
  try {
    return await ended.promise;
  } finally {
    unwatch();
    unsubscribe();
    instance.unmount();
    // Settled already or about to be; its outcome was taken above.
    await instance.waitUntilExit().catch(() => undefined);
    for (const signal of signals) process.off(signal, onSignal);
  }
}
