/** The launcher process: parent of every sandbox, and the one that clears up when the engine is gone (rootfs/launcher.c). */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import { seqpacketPair } from "../../ffi/message.ts";
import { AetherError } from "../../protocol/errors.ts";
import { WireChannel, WireError } from "./wire-channel.ts";
import { fdRole, wireTag, wireType, WireWriter } from "./wire.ts";

const { SIGKILL } = constants.signals;
const helloDeadlineMs = 10_000;
const requestDeadlineMs = 10_000;
const stopDeadlineMs = 8_000;

/** What the launcher undoes once the engine's socket closes. */
export interface UndoList {
  readonly cgroups: readonly string[];
  readonly files: readonly string[];
  readonly sysctls: readonly { readonly path: string; readonly value: string }[];
}

/** A sandbox's init as the launcher made it. */
export interface LaunchedInit {
  readonly pid: number;
  readonly pidfd: Fd;
  /** Our end of init's control socket. */
  readonly control: Fd;
}

export class Launcher implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #channel: WireChannel;
  readonly #exits = new Map<number, (status: number) => void>();
  readonly #earlyExits = new Map<number, number>();
  readonly #exited: Promise<void>;
  #stderr = "";
  #closing = false;

  private constructor(
    child: ChildProcess,
    exited: Promise<void>,
    epoll: Epoll,
    socket: Fd,
    onHello: () => void,
    onLost: (error: AetherError) => void,
  ) {
    this.#child = child;
    this.#exited = exited;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4096);
    });
    this.#channel = new WireChannel(
      epoll,
      socket,
      (message) => {
        if (message.type === wireType.HELLO) onHello();
        if (message.type !== wireType.EXIT) return;
        const pid = message.int(wireTag.PID) ?? 0;
        const status = message.int(wireTag.STATUS) ?? 0;
        const report = this.#exits.get(pid);
        this.#exits.delete(pid);
        // An init that ends at once may be reported in the same burst as its making.
        if (report === undefined) this.#earlyExits.set(pid, status);
        else report(status);
      },
      () => {
        // Its sandboxes end with it, and nobody is left to report that.
        for (const report of this.#exits.values()) report(SIGKILL);
        this.#exits.clear();
        if (this.#closing) return;
        onLost(
          new AetherError("AE_LAUNCHER_LOST", "the launcher process ended", {
            why: this.#stderr.trim() === "" ? `pid ${child.pid} closed its socket` : this.#stderr.trim(),
            hint: "Every sandbox ended with it; the engine starts a new launcher and wakes functions from their snapshots.",
          }),
        );
      },
    );
  }

  /**
   * Starts the launcher and waits for its greeting.
   * @param directory the folder of the compiled programs
   * @param runTmpfs give sandboxes a tmpfs on /run, where the host's is none: CRIU caches only there
   * @throws AetherError AE_SANDBOX_SETUP_FAILED
   */
  static async start(
    epoll: Epoll,
    directory: string,
    runTmpfs: boolean,
    onLost: (error: AetherError) => void,
  ): Promise<Launcher> {
    const [ours, theirs] = seqpacketPair();
    const args = ["--init", `${directory}/aether-init`, ...(runTmpfs ? ["--run-tmpfs"] : [])];
    const child = spawn(`${directory}/aether-launcher`, args, {
      stdio: ["ignore", "ignore", "pipe", theirs.number],
      env: {},
    });
    theirs.close();
    let launcher: Launcher | null = null;
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`no greeting within ${helloDeadlineMs} ms`)),
          helloDeadlineMs,
        );
        const fail = (error: Error): void => {
          clearTimeout(timer);
          reject(error);
        };
        const exited = new Promise<void>((done) => {
          child.once("exit", () => done());
          child.once("error", (error) => {
            done();
            fail(error);
          });
        });
        launcher = new Launcher(
          child,
          exited,
          epoll,
          ours,
          () => {
            clearTimeout(timer);
            resolve();
          },
          (error) => {
            fail(error);
            onLost(error);
          },
        );
      });
    } catch (error) {
      ours.close();
      child.kill("SIGKILL");
      throw new AetherError("AE_SANDBOX_SETUP_FAILED", "the launcher could not be started", {
        why: error instanceof Error ? error.message : String(error),
        hint: "Run `npm run setup` to build the C programs, then `aether doctor`.",
        cause: error,
      });
    }
    if (launcher === null) throw new AetherError("AE_INTERNAL", "the launcher greeted before it was started");
    return launcher;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Makes an init in new namespaces. `onExit` is called once, with its wait status. */
  async makeInit(name: string, cloneFlags: bigint, onExit: (status: number) => void): Promise<LaunchedInit> {
    const [ours, theirs] = seqpacketPair();
    try {
      const request = new WireWriter(wireType.SANDBOX)
        .u64(wireTag.CLONE_FLAGS, cloneFlags)
        .text(wireTag.NAME, name)
        .fd(fdRole.CONTROL, theirs.number);
      const { message, descriptors } = await this.#channel.request(request, requestDeadlineMs);
      const pid = message.int(wireTag.PID);
      const pidfd = descriptors[0];
      if (pid === null || pidfd === undefined) throw new Error("the launcher's answer lacks pid or pidfd");
      const early = this.#earlyExits.get(pid);
      this.#earlyExits.delete(pid);
      if (early === undefined) this.#exits.set(pid, onExit);
      else onExit(early);
      return { pid, pidfd, control: ours };
    } catch (error) {
      ours.close();
      throw new AetherError("AE_SANDBOX_SETUP_FAILED", `${name}: no sandbox could be made`, {
        why: error instanceof Error ? error.message : String(error),
        hint:
          error instanceof WireError && error.code === "EPERM"
            ? "Making namespaces needs CAP_SYS_ADMIN: run as root."
            : "`aether doctor` checks what sandboxes need.",
        cause: error,
      });
    } finally {
      theirs.close();
    }
  }

  /** Replaces the list of what is undone when the engine disappears. */
  async setUndo(list: UndoList): Promise<void> {
    const request = new WireWriter(wireType.ON_DEATH);
    for (const path of list.cgroups) request.text(wireTag.CGROUP, path);
    for (const path of list.files) request.text(wireTag.UNLINK, path);
    for (const { path, value } of list.sysctls) request.text(wireTag.SYSCTL, path, value);
    await this.#channel.request(request, requestDeadlineMs);
  }

  /** Ends the launcher and everything it owns. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#channel.close();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), stopDeadlineMs);
    await this.#exited;
    clearTimeout(timer);
  }
}
