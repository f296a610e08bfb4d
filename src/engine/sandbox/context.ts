/** What every sandbox of an engine shares: the loop, the launcher, the tools and the places on disk. */
import type { Epoll } from "../../ffi/epoll.ts";
import type { LogLine } from "../../protocol/control.ts";
import type { FinishedImage, FinishRequest } from "../snapshot/finish-image.ts";
import type { AetherError } from "../../protocol/errors.ts";
import type { Launcher } from "./launcher.ts";

/** CRIU on this machine. */
export interface CriuTools {
  /** Absolute path of the binary. */
  readonly binary: string;
  readonly version: string;
  readonly env: Readonly<Record<string, string>>;
  /** The same for a restore; with what makes it quicker. */
  readonly restoreEnv: Readonly<Record<string, string>>;
  /** The same for a dump; with what it needs beyond that on this machine. */
  readonly dumpEnv: Readonly<Record<string, string>>;
}

export interface SandboxContext {
  readonly epoll: Epoll;
  /** The launcher of the moment; after a loss its successor, once it is there. */
  launcher(): Promise<Launcher>;
  readonly criu: CriuTools;
  readonly engineVersion: string;
  /** 0700, short enough for socket paths. */
  readonly runtimeDir: string;
  /** Snapshots of this engine: one folder a function. */
  readonly snapshotRoot: string;
  /** Private /tmp folders of the functions. */
  readonly tmpRoot: string;
  /** Wall clock, ms. */
  now(): number;
  /** Monotonic clock, ms with fractions. */
  monotonic(): number;
  /** Output of a function. */
  output(functionId: string, stream: LogLine["stream"], chunk: Uint8Array): void;
  /** `null` while more output may be read, else a promise of the time when it may. */
  outputRoom(functionId: string): Promise<void> | null;
  /** Finishes a fresh image in a thread of its own. Rejects with what went wrong. */
  finishImage(request: FinishRequest): Promise<FinishedImage>;
  /** A function's rings cannot be used any more: its handler broke their rules. */
  ringFailed(functionId: string, error: AetherError): void;
  /** Removes a folder without holding up the reactor. */
  discard(path: string): void;
}
