/** The launcher that runs now: started, told what to undo after a kill, and replaced when it is lost. */
import type { Epoll } from "../../ffi/epoll.ts";
import type { AetherError } from "../../protocol/errors.ts";
import { Launcher } from "../sandbox/launcher.ts";
import type { UndoList } from "../sandbox/launcher.ts";

export interface RunningLauncherOptions {
  readonly epoll: Epoll;
  readonly programsDirectory: string;
  readonly undo: UndoList;
  /** It is gone, with every sandbox; another is being started. */
  readonly onLost: (error: AetherError) => void;
  /** No other could be started: the engine cannot go on. */
  readonly onFailed: (error: unknown) => void;
}

export class RunningLauncher implements AsyncDisposable {
  readonly #options: RunningLauncherOptions;
  #current: Promise<Launcher>;
  #state: "starting" | "running" | "closing" = "starting";

  private constructor(options: RunningLauncherOptions) {
    this.#options = options;
    this.#current = this.#start();
  }

  /** @throws AetherError AE_SANDBOX_SETUP_FAILED */
  static async start(options: RunningLauncherOptions): Promise<RunningLauncher> {
    const made = new RunningLauncher(options);
    await made.#current;
    made.#state = "running";
    return made;
  }

  /** Whoever needs a sandbox while one is being replaced waits for the next. */
  get current(): Promise<Launcher> {
    return this.#current;
  }

  /** From now on its end is expected. */
  close(): void {
    this.#state = "closing";
  }

  async #start(): Promise<Launcher> {
    const { epoll, programsDirectory, undo } = this.#options;
    const launcher = await Launcher.start(epoll, programsDirectory, true, (error) => this.#lost(error));
    try {
      await launcher.setUndo(undo);
    } catch (error) {
      await launcher[Symbol.asyncDispose]();
      throw error;
    }
    return launcher;
  }

  /** Every sandbox is gone with it; functions wake from their images again once there is a new one. */
  #lost(error: AetherError): void {
    if (this.#state !== "running") return;
    this.#options.onLost(error);
    this.#current = this.#start();
    void this.#replaced(this.#current);
  }

  async #replaced(next: Promise<Launcher>): Promise<void> {
    try {
      await next;
    } catch (failure) {
      this.#options.onFailed(failure);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    const launcher = await this.#current.catch(() => null);
    await launcher?.[Symbol.asyncDispose]();
  }
}
