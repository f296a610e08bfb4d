/** What the main thread and the engine worker say to each other. Everything else goes over the control socket. */
import type { AetherConfig, ConfigProblem } from "../protocol/config.ts";
import type { ErrorData } from "../protocol/errors.ts";

/** Main thread -> engine worker. `start` comes once and first. */
export type EngineOrder =
  | {
      readonly type: "start";
      /** Absolute path; `null` where `inline` is given. Exactly one of the two is set. */
      readonly configFile: string | null;
      readonly inline: AetherConfig | null;
      /** `--engine NAME`: takes the place of the name in the file; `null`: the file's. */
      readonly engineName: string | null;
    }
  /** Ordered shutdown; answered by `stopped`. `reason` is for the log: "SIGTERM", "console closed" ... */
  | { readonly type: "stop"; readonly reason: string };

/** Engine worker -> main thread. */
export type EngineReport =
  /** The lock is held and the control socket accepts; functions are still being started. */
  | {
      readonly type: "started";
      readonly name: string;
      readonly controlSocket: string;
      /** Of the reactor, to be silenced when the process ends without order. */
      readonly epollNumber: number | null;
    }
  /** Nothing has happened for a while: memory can be given back. */
  | { readonly type: "quiet" }
  /** Nothing was started. */
  | { readonly type: "config-invalid"; readonly problems: readonly ConfigProblem[] }
  /** The engine cannot start or go on; it has cleaned up what it could. The worker ends after it. */
  | { readonly type: "fatal"; readonly error: ErrorData }
  /** Everything is put back: after `stop`, or after a shutdown ordered over the control socket. The worker ends after it. */
  | { readonly type: "stopped" };
