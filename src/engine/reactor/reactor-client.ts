/** The reactor as the engine's thread sees it: orders with answers, reports, and its end. */
import { Worker } from "node:worker_threads";
import { silence } from "../../ffi/epoll.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { ConnectionCounts, FunctionView } from "../../protocol/views.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { Delivered, Event } from "../lifecycle/invoke.ts";
import type { Image } from "../snapshot/image.ts";
import { threadLimits } from "../thread-limits.ts";
import type { ReactorApply, ReactorOrder, ReactorReport, ReactorStart } from "./reactor-messages.ts";

const startDeadlineMs = 60_000;

/** Reports that are no answers. */
export type ReactorNews = Extract<
  ReactorReport,
  { type: "event" | "views" | "output" | "data-plane" | "discard" | "seal" | "failed" }
>;

export class ReactorClient {
  readonly #worker: Worker;
  readonly #onNews: (news: ReactorNews) => void;
  readonly #pending = new Map<number, PromiseWithResolvers<FunctionView | null>>();
  readonly #counting = new Map<number, PromiseWithResolvers<ConnectionCounts>>();
  readonly #events = new Map<number, PromiseWithResolvers<Delivered>>();
  readonly #started = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<readonly Image[]>();
  #nextId = 1;
  #epollNumber: number | null = null;
  readonly #silence = (): void => {
    if (this.#epollNumber !== null) silence(this.#epollNumber);
  };

  /** @param onNews called for every report that is no answer; `failed` means that the engine cannot go on */
  constructor(onNews: (news: ReactorNews) => void) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    this.#onNews = onNews;
    this.#worker = new Worker(new URL(`./reactor-worker.${extension}`, import.meta.url), {
      name: "aether-reactor",
      resourceLimits: threadLimits,
    });
    this.#worker.on("message", (report: ReactorReport) => this.#take(report));
    this.#worker.on("error", (error) => this.#lost(toAetherError(error, "the reactor failed")));
    this.#worker.on("exit", () =>
      this.#lost(new AetherError("AE_ENGINE_LOST", "the reactor's thread ended")),
    );
    this.#started.promise.catch(() => undefined);
    this.#stopped.promise.catch(() => undefined);
  }

  #take(report: ReactorReport): void {
    switch (report.type) {
      case "started":
        this.#epollNumber = report.epollNumber;
        process.once("exit", this.#silence);
        return this.#started.resolve();
      case "failed":
        this.#started.reject(AetherError.from(report.error));
        this.#stopped.reject(AetherError.from(report.error));
        return this.#onNews(report);
      case "done": {
        const pending = this.#pending.get(report.id);
        this.#pending.delete(report.id);
        if (report.error === null) return pending?.resolve(report.view);
        return pending?.reject(AetherError.from(report.error));
      }
      case "connections":
        this.#counting.get(report.id)?.resolve(report.counts);
        this.#counting.delete(report.id);
        return;
      case "delivered": {
        const pending = this.#events.get(report.id);
        this.#events.delete(report.id);
        if (report.delivered !== null) return pending?.resolve(report.delivered);
        return pending?.reject(
          report.error === null
            ? new AetherError("AE_ENGINE_LOST", "the reactor is ending")
            : AetherError.from(report.error),
        );
      }
      case "stopped":
        // It has closed the descriptor: the number may be that of another thread's loop by now.
        process.off("exit", this.#silence);
        this.#epollNumber = null;
        return this.#stopped.resolve(report.images);
      case "event":
      case "views":
      case "output":
      case "data-plane":
      case "discard":
      case "seal":
        return this.#onNews(report);
      default:
        report satisfies never;
    }
  }

  #lost(error: AetherError): void {
    this.#started.reject(error);
    this.#stopped.reject(error);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
    for (const counting of this.#counting.values()) counting.reject(error);
    this.#counting.clear();
    for (const pending of this.#events.values()) pending.reject(error);
    this.#events.clear();
    this.#onNews({ type: "failed", error: error.toJSON() });
  }

  /** `null` before it has started. */
  get epollNumber(): number | null {
    return this.#epollNumber;
  }

  /** Resolves when launcher, CRIU and kernel programs work. Rejects with what does not. */
  async start(order: ReactorStart): Promise<void> {
    this.#post(order);
    await this.#within(this.#started.promise, startDeadlineMs, "start");
  }

  #post(order: ReactorOrder): void {
    this.#worker.postMessage(order);
  }

  #request(make: (id: number) => ReactorOrder): Promise<FunctionView | null> {
    const id = this.#nextId++;
    const pending = Promise.withResolvers<FunctionView | null>();
    this.#pending.set(id, pending);
    this.#post(make(id));
    return pending.promise;
  }

  action(functionId: string, action: FunctionAction): Promise<FunctionView | null> {
    return this.#request((id) => ({ type: "action", id, functionId, action }));
  }

  /** The connections of all functions, counted now. */
  connections(): Promise<ConnectionCounts> {
    const id = this.#nextId++;
    const counting = Promise.withResolvers<ConnectionCounts>();
    this.#counting.set(id, counting);
    this.#post({ type: "connections", id });
    return counting.promise;
  }

  /** Gives a function an event; waits as long as that takes (its time limit is the handler's). */
  invoke(functionId: string, event: Event): Promise<Delivered> {
    const id = this.#nextId++;
    const pending = Promise.withResolvers<Delivered>();
    this.#events.set(id, pending);
    this.#post({ type: "invoke", id, functionId, event });
    return pending.promise;
  }

  async apply(change: Omit<ReactorApply, "type" | "id">): Promise<void> {
    await this.#request((id) => ({ type: "apply", id, ...change }));
  }

  /** Counts an error that was reported outside of the reactor. */
  errorSeen(event: Extract<EventBody, { readonly type: "error" }>): void {
    this.#post({ type: "error-seen", event });
  }

  /** Lets a function's output flow on. */
  outputTaken(instanceOf: string, bytes: number): void {
    this.#post({ type: "output-taken", instanceOf, bytes });
  }

  /** Ends every function, launcher and kernel program. Resolves with the images that remain; rejects at the deadline. */
  async stop(deadlineMs: number): Promise<readonly Image[]> {
    this.#post({ type: "stop" });
    return await this.#within(this.#stopped.promise, deadlineMs, "end");
  }

  async #within<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(new AetherError("AE_ENGINE_LOST", `the reactor did not ${what} within ${deadlineMs} ms`)),
        deadlineMs,
      );
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the thread, whatever it is doing. */
  async terminate(): Promise<void> {
    this.#silence();
    await this.#worker.terminate();
    process.off("exit", this.#silence);
  }
}
