/**
 * A CRIU process waiting inside a sandbox for its one request (`criu swrk`): started ahead, so that a wake pays for
 * neither fork nor exec. Dump workers and restore workers differ in their cgroup and in what they inherit.
 */
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import { receiveMessage, sendMessage } from "../../ffi/message.ts";
import { ownProgram } from "../sandbox/sandbox.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { decodeResponse, encodeAcknowledgement, lastNotification } from "./criu-rpc.ts";
import type { CriuResponse } from "./criu-rpc.ts";

const rpcNumber = 3;

export interface CriuWorkerOptions {
  /** Absolute path of the binary. */
  readonly criu: string;
  readonly env: Readonly<Record<string, string>>;
  readonly images: Fd;
  readonly work: Fd;
  /** cgroup.procs files to join: a restored tree inherits the worker's cgroup. */
  readonly join: readonly Fd[];
  /**
   * How CRIU makes sure that mapped files are those of the dump: by size alone, where the caller knows more, or by the
   * build id that linkers leave in programs, which means opening and reading each of them.
   */
  readonly validate: "size" | "build-id";
  /** What a restore may name in `inherit_fd`. */
  readonly inherit: readonly { readonly number: number; readonly fd: Fd }[];
}

export class CriuWorker implements Disposable {
  readonly pid: number;
  /** Numbers in init of image folder and work folder, for the request. */
  readonly imagesFd: number;
  readonly workFd: number;
  readonly #epoll: Epoll;
  readonly #socket: Fd;
  /** Resolves when every process of its sandbox is gone. */
  readonly #gone: Promise<void>;
  #answer: PromiseWithResolvers<CriuResponse> | null = null;
  /** Ended or given up, though the socket may still be open. */
  #over = false;
  /** Set while a restore is to stop before its processes run. */
  #held: PromiseWithResolvers<void> | null = null;

  private constructor(
    epoll: Epoll,
    socket: Fd,
    gone: Promise<void>,
    { pid, imagesFd, workFd }: { pid: number; imagesFd: number; workFd: number },
  ) {
    this.#epoll = epoll;
    this.#socket = socket;
    this.#gone = gone;
    this.pid = pid;
    this.imagesFd = imagesFd;
    this.workFd = workFd;
    epoll.add(socket, epollIn, () => this.#receive());
  }

  /** Starts a worker in the sandbox. Rejects with WireError when CRIU cannot be executed. */
  static async start(epoll: Epoll, sandbox: Sandbox, options: CriuWorkerOptions): Promise<CriuWorker> {
    const spawned = await sandbox.spawn({
      ...ownProgram,
      argv: [
        options.criu,
        "--no-default-config",
        "--file-validation",
        options.validate === "size" ? "filesize" : "buildid",
        "swrk",
        String(rpcNumber),
      ],
      env: options.env,
      descriptors: options.inherit,
      join: options.join,
      hold: [options.images, options.work],
      rpcSocket: rpcNumber,
    });
    const [imagesFd, workFd] = spawned.held;
    if (spawned.rpc === null || imagesFd === undefined || workFd === undefined) {
      throw new Error("init's answer lacks the CRIU worker's socket or descriptors");
    }
    const { pid, rpc } = spawned;
    const worker = new CriuWorker(epoll, rpc, sandbox.gone, { pid, imagesFd, workFd });
    void sandbox.exitOf(spawned.pid).then(() => worker.#ended());
    return worker;
  }

  /** Whether the worker still waits for its request. */
  get isWaiting(): boolean {
    return !this.#over && this.#answer === null;
  }

  /** Whether it has its request and has not answered. */
  get isAtWork(): boolean {
    return !this.#over && this.#answer !== null;
  }

  /** Sends the one request. Rejects when the worker dies before it answers; the deadline is the caller's. */
  request(message: Uint8Array): Promise<CriuResponse> {
    if (!this.isWaiting) return Promise.reject(new Error("the CRIU worker has ended or was used before"));
    this.#answer = Promise.withResolvers<CriuResponse>();
    try {
      if (!sendMessage(this.#socket, message)) throw new Error("the CRIU worker does not take the request");
    } catch (error) {
      this.#answer.reject(error instanceof Error ? error : new Error(String(error)));
    }
    return this.#answer.promise;
  }

  /**
   * Sends a restore that reports its steps (`stepwise`), and resolves when it has come to the last one: the processes are
   * there, down to the registers, and have not run. `proceed` lets them. Rejects as `request` does, and when the restore fails.
   */
  async requestHeld(message: Uint8Array): Promise<void> {
    this.#held = Promise.withResolvers<void>();
    const answered = this.request(message).then(({ message: why }) => {
      throw new Error(why ?? "CRIU ended its restore early");
    });
    await Promise.race([this.#held.promise, answered]);
  }

  /** Lets the processes of a held restore run. Resolves and rejects as `request` does. */
  proceed(): Promise<CriuResponse> {
    const answer = this.#answer;
    if (answer === null || this.#over) return Promise.reject(new Error("the CRIU worker has ended"));
    if (!sendMessage(this.#socket, encodeAcknowledgement()))
      answer.reject(new Error("the CRIU worker does not take the request"));
    return answer.promise;
  }

  #receive(): void {
    const received = receiveMessage(this.#socket);
    if (received === null) return;
    const answer = this.#answer;
    try {
      if (received === "closed") {
        answer?.reject(new Error("CRIU ended without an answer"));
      } else {
        for (const fd of received.descriptors) fd.close();
        const response = decodeResponse(received.data);
        if (response.notification !== null) return this.#notified(response.notification);
        answer?.resolve(response);
      }
    } catch (error) {
      answer?.reject(error instanceof Error ? error : new Error(String(error)));
    }
    this.#close();
  }

  #notified(step: string): void {
    if (step === lastNotification && this.#held !== null) this.#held.resolve();
    else sendMessage(this.#socket, encodeAcknowledgement());
  }

  /** Of a CRIU killed in the middle, half-restored children keep the socket open: its end alone says nothing. */
  #ended(): void {
    if (this.#socket.isOpen) this.#receive();
    if (!this.#socket.isOpen) return;
    this.#answer?.reject(new Error("CRIU ended without an answer"));
    this.#giveUp();
  }

  /** A CRIU that holds processes lets them run when there is nobody to answer it: not before they are gone. */
  #giveUp(): void {
    this.#over = true;
    if (this.#held === null) this.#close();
    else void this.#gone.then(() => this.#close());
  }

  #close(): void {
    this.#over = true;
    if (!this.#socket.isOpen) return;
    this.#epoll.remove(this.#socket);
    this.#socket.close();
  }

  /** Closes our end; a worker still waiting ends, one at work is ended with its sandbox. */
  [Symbol.dispose](): void {
    this.#answer?.reject(new Error("the CRIU worker was given up"));
    this.#giveUp();
  }
}
