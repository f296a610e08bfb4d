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
import { decodeResponse } from "./criu-rpc.ts";
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
  #answer: PromiseWithResolvers<CriuResponse> | null = null;

  private constructor(epoll: Epoll, socket: Fd, pid: number, imagesFd: number, workFd: number) {
    this.#epoll = epoll;
    this.#socket = socket;
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
    const worker = new CriuWorker(epoll, spawned.rpc, spawned.pid, imagesFd, workFd);
    void sandbox.exitOf(spawned.pid).then(() => worker.#ended());
    return worker;
  }

  /** Whether the worker still waits for its request. */
  get isWaiting(): boolean {
    return this.#socket.isOpen && this.#answer === null;
  }

  /** Whether it has its request and has not answered. */
  get isAtWork(): boolean {
    return this.#socket.isOpen && this.#answer !== null;
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

  #receive(): void {
    const received = receiveMessage(this.#socket);
    if (received === null) return;
    const answer = this.#answer;
    try {
      if (received === "closed") {
        answer?.reject(new Error("CRIU ended without an answer"));
      } else {
        for (const fd of received.descriptors) fd.close();
        answer?.resolve(decodeResponse(received.data));
      }
    } catch (error) {
      answer?.reject(error instanceof Error ? error : new Error(String(error)));
    }
    this.#close();
  }

  /** Of a CRIU killed in the middle, half-restored children keep the socket open: its end alone says nothing. */
  #ended(): void {
    if (this.#socket.isOpen) this.#receive();
    if (!this.#socket.isOpen) return;
    this.#answer?.reject(new Error("CRIU ended without an answer"));
    this.#close();
  }

  #close(): void {
    if (!this.#socket.isOpen) return;
    this.#epoll.remove(this.#socket);
    this.#socket.close();
  }

  /** Closes our end; a worker still waiting ends, one at work is ended with its sandbox. */
  [Symbol.dispose](): void {
    this.#answer?.reject(new Error("the CRIU worker was given up"));
    this.#close();
  }
}
