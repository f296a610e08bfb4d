/** The worker of an engine: takes the sockets over, loads the module, and runs the loop. */
import { parentPort, workerData } from "node:worker_threads";
import { toAetherError } from "../../protocol/errors.ts";
import { attachSockets } from "./attach-socket.ts";
import { SharedCounters } from "./counters.ts";
import { EngineLoop } from "./engine-loop.ts";
import type { OnBatch } from "./engine-loop.ts";
import type { EngineWorkerOrder, EngineWorkerReport } from "./engine-worker-messages.ts";
import { XdpSocketError } from "./errors.ts";
import { PacketOwner } from "./packet.ts";

async function loadCallback(module: string): Promise<OnBatch> {
  try {
    const loaded = (await import(module)) as { readonly onBatch?: unknown };
    if (typeof loaded.onBatch === "function") return loaded.onBatch as OnBatch;
  } catch (error) {
    throw new XdpSocketError("CallbackFailed", `the module ${module} cannot be loaded`, {
      why: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
  throw new XdpSocketError("CallbackFailed", `the module ${module} cannot be used`, {
    why: "it exports no function onBatch",
  });
}

async function main(order: EngineWorkerOrder): Promise<void> {
  const sockets = await attachSockets(order.handles);
  try {
    const [first] = sockets;
    if (first === undefined) return;
    const onBatch = await loadCallback(order.module);
    const owner = new PacketOwner(first.frames, first.memory);
    const loop = new EngineLoop(sockets, owner, onBatch, order.options, new SharedCounters(order.counters));
    const stop = new Int32Array(order.stop);
    await loop.run(() => Atomics.load(stop, 0) !== 0);
    owner.close();
  } finally {
    for (const socket of sockets) socket[Symbol.dispose]();
  }
}

try {
  await main(workerData as EngineWorkerOrder);
} catch (error) {
  const report: EngineWorkerReport = { type: "failed", error: toAetherError(error).toJSON() };
  parentPort?.postMessage(report);
}
