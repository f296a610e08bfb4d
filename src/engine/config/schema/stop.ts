/** What of a function says how it is asked to stop. */
import { duration, oneOf } from "../fields.ts";

/** Signals that can ask a server to stop. */
export const stopSignals = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGABRT",
  "SIGKILL",
] as const;

/** Its end. */
export const stopFields = {
  stop_signal: oneOf(stopSignals).default("SIGTERM").describe("Signal that asks the function to stop."),
  stop_timeout: duration
    .prefault("5s")
    .describe("How long the function may take to stop before it is killed."),
};
