/** The owner's side of an engine's worker. */
import { Worker } from "node:worker_threads";
import { giveBack } from "./attach-socket.ts";
import { errorFromData, XdpSocketError } from "./errors.ts";
import type { EngineWorkerOrder, EngineWorkerReport } from "./engine-worker-messages.ts";

/** A worker in the middle of a callback that does not return is ended by force after so long. */
const stopWithinMs = 2000;

export class EngineWorker {
  /** Resolves when the worker has stopped in order. @throws XdpSocketError CallbackFailed, DeviceGone */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #stop = new SharedArrayBuffer(4);
  #force: NodeJS.Timeout | null = null;
  #failure: Error | null = null;

  constructor(order: Omit<EngineWorkerOrder, "stop">) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const workerData: EngineWorkerOrder = { ...order, stop: this.#stop };
    this.#worker = new Worker(new URL(`./engine-worker.${extension}`, import.meta.url), {
      name: "aether-xdp",
      workerData,
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#worker.on("message", (report: EngineWorkerReport) => (this.#failure = errorFromData(report.error)));
    this.#worker.on("error", (error) => {
      this.#failure = new XdpSocketError("CallbackFailed", "the worker of the packet engine failed", {
        why: error instanceof Error ? error.message : String(error),
        cause: error,
      });
    });
    this.#worker.on("exit", () => {
      if (this.#force !== null) clearTimeout(this.#force);
      if (this.#failure === null) resolve();
      else reject(this.#failure);
    });
    this.ended = settled(promise, order);
  }

  /** Asks it to stop. It looks at least every 20 ms. */
  stop(): void {
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    this.#force ??= setTimeout(() => {
      this.#failure = new XdpSocketError(
        "CallbackFailed",
        "the worker of the packet engine was ended by force",
        {
          why: `its callback did not return within ${stopWithinMs} ms`,
        },
      );
      void this.#worker.terminate();
    }, stopWithinMs);
  }
}

/** A worker that was ended by force has closed nothing: its holds are given back for it. */
async function settled(ended: Promise<void>, { handles }: Pick<EngineWorkerOrder, "handles">): Promise<void> {
  try {
    await ended;
  } finally {
    await Promise.all(handles.map(giveBack));
  }
}
