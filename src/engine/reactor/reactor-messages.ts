/** What the engine's thread and the reactor's thread say to each other. */
import type { EngineConfig, FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction, LogLine } from "../../protocol/control.ts";
import type { ErrorData } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { ConnectionCounts, DataPlaneView, FunctionView } from "../../protocol/views.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import type { CriuTools } from "../sandbox/context.ts";
import type { Image } from "../snapshot/image.ts";
import type { RegionIdentity } from "../stats/stats-region.ts";

export interface ReactorStart {
  readonly type: "start";
  readonly engine: EngineConfig;
  readonly functions: readonly FunctionConfig[];
  /** Images of an earlier engine that fit, by function. */
  readonly adopted: Readonly<Record<string, Image>>;
  readonly criu: CriuTools;
  readonly engineVersion: string;
  readonly programsDirectory: string;
  readonly bpfDirectory: string;
  readonly runtimeDir: string;
  readonly snapshotRoot: string;
  readonly tmpRoot: string;
  readonly cgroupName: string;
  readonly stats: { readonly file: string; readonly identity: RegionIdentity };
}

/** A new set of functions, as a difference. */
export interface ReactorApply {
  readonly type: "apply";
  readonly id: number;
  readonly engine: EngineConfig;
  readonly added: readonly FunctionConfig[];
  /** A new process is needed. */
  readonly replaced: readonly FunctionConfig[];
  /** Settings the running process does not notice. */
  readonly updated: readonly FunctionConfig[];
  readonly removed: readonly string[];
  /** All ids, in the order of the configuration. */
  readonly order: readonly string[];
}

/** Engine -> reactor. Requests with an id are answered by `done`. */
export type ReactorOrder =
  | ReactorStart
  | ReactorApply
  | {
      readonly type: "action";
      readonly id: number;
      readonly functionId: string;
      readonly action: FunctionAction;
    }
  /** Answered by `connections`. */
  | { readonly type: "connections"; readonly id: number }
  /** An error that the engine's thread has reported, to be counted. */
  | { readonly type: "error-seen"; readonly event: Extract<EventBody, { readonly type: "error" }> }
  /** An event for a function; answered by `delivered`. */
  | { readonly type: "invoke"; readonly id: number; readonly functionId: string; readonly event: Event }
  /** So much of an instance's output was taken in. */
  | { readonly type: "output-taken"; readonly instanceOf: string; readonly bytes: number }
  /** Ends every function in order; answered by `stopped`. */
  | { readonly type: "stop" };

/** Reactor -> engine. */
export type ReactorReport =
  /** Launcher, CRIU and kernel programs work; functions are being brought to their first states. `epollNumber` is for `silence`. */
  | { readonly type: "started"; readonly epollNumber: number }
  | { readonly type: "failed"; readonly error: ErrorData }
  | {
      readonly type: "done";
      readonly id: number;
      readonly view: FunctionView | null;
      readonly error: ErrorData | null;
    }
  | { readonly type: "connections"; readonly id: number; readonly counts: ConnectionCounts }
  | {
      readonly type: "delivered";
      readonly id: number;
      readonly delivered: Delivered | null;
      readonly error: ErrorData | null;
    }
  | { readonly type: "event"; readonly event: EventBody }
  /** Views that changed, all functions' order in `order`. At most ten a second. */
  | { readonly type: "views"; readonly changed: readonly FunctionView[]; readonly order: readonly string[] }
  | {
      readonly type: "output";
      readonly functionId: string;
      /** Whose output it is; it is acknowledged under this id. */
      readonly instanceOf: string;
      readonly stream: LogLine["stream"];
      readonly chunk: Uint8Array;
    }
  /** What the data plane should be; after each change of it. */
  | { readonly type: "data-plane"; readonly view: DataPlaneView }
  | { readonly type: "discard"; readonly path: string }
  | { readonly type: "seal"; readonly image: Image }
  | { readonly type: "stopped"; readonly images: readonly Image[] };
