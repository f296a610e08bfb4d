/** The image thread as the reactor sees it: one order, one answer, and its end. */
import { Worker } from "node:worker_threads";
import { threadLimits } from "../thread-limits.ts";
import type { FinishedImage, FinishRequest } from "./finish-image.ts";

export interface ImageOrder {
  readonly id: number;
  readonly request: FinishRequest;
}

export type ImageAnswer =
  | { readonly id: number; readonly finished: FinishedImage; readonly failure: null }
  | { readonly id: number; readonly finished: null; readonly failure: string };

export class ImageThread implements AsyncDisposable {
  /** `null` before the first order, and after the thread has died: the next order starts another. */
  #worker: Worker | null = null;
  readonly #pending = new Map<number, PromiseWithResolvers<FinishedImage>>();
  #nextId = 1;

  #start(): Worker {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./image-worker.${extension}`, import.meta.url), {
      name: "aether-images",
      resourceLimits: threadLimits,
    });
    worker.on("message", (answer: ImageAnswer) => this.#take(answer));
    worker.on("error", (error) => this.#lost(error));
    worker.on("exit", () => this.#lost(new Error("the image thread ended")));
    return worker;
  }

  /** Finishes an image. Rejects with what went wrong, as text of the system ("ENOSPC: ..."). The deadline is the dump's. */
  finish(request: FinishRequest): Promise<FinishedImage> {
    const id = this.#nextId++;
    const pending = Promise.withResolvers<FinishedImage>();
    this.#pending.set(id, pending);
    this.#worker ??= this.#start();
    this.#worker.postMessage({ id, request } satisfies ImageOrder);
    return pending.promise;
  }

  #take(answer: ImageAnswer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.failure === null) pending?.resolve(answer.finished);
    else pending?.reject(new Error(answer.failure));
  }

  #lost(error: unknown): void {
    this.#worker = null;
    const reason = error instanceof Error ? error : new Error(String(error));
    for (const pending of this.#pending.values()) pending.reject(reason);
    this.#pending.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }
}
