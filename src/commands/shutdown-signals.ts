/** Signals that end an engine in this process: the first in order, a second one at once. */
import { exitCodeOfSignal } from "./exit-code.ts";

const watched = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Ctrl-C reaches the launcher of cli.ts and this process alike, and the launcher passes it on: that is one signal. */
const sameSignalMs = 300;

export interface ShutdownSignals extends Disposable {
  /** Resolves with the first signal. */
  readonly first: Promise<NodeJS.Signals>;
  /** The signal that came, if one did. */
  received(): NodeJS.Signals | null;
}

export function watchShutdownSignals(): ShutdownSignals {
  const first = Promise.withResolvers<NodeJS.Signals>();
  let received: { readonly signal: NodeJS.Signals; readonly atMs: number } | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (received === null) {
      received = { signal, atMs: performance.now() };
      first.resolve(signal);
    } else if (performance.now() - received.atMs > sameSignalMs) {
      process.exit(exitCodeOfSignal(signal));
    }
  };
  for (const signal of watched) process.on(signal, onSignal);
  // The launcher of cli.ts was killed: an engine that nobody owns must not stay.
  const onOrphaned = (): void => onSignal("SIGHUP");
  if (process.connected) {
    process.once("disconnect", onOrphaned);
    process.channel?.unref();
  }
  return {
    first: first.promise,
    received: () => received?.signal ?? null,
    [Symbol.dispose]() {
      for (const signal of watched) process.off(signal, onSignal);
      process.off("disconnect", onOrphaned);
    },
  };
}
