/** Messages one way through a ring, from one thread to another. */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { RingConsumer } from "../../dist/engine/ipc/ring-consumer.js";
import { defaultCapacityBytes, formatRing, ringBytes } from "../../dist/engine/ipc/ring-layout.js";
import { RingProducer } from "../../dist/engine/ipc/ring-producer.js";

interface Order {
  readonly memory: SharedArrayBuffer;
  readonly messages: number;
  readonly bytes: number;
}

/** Messages a second: written by a thread of its own, read by this one, each checked by its checksum. */
export async function oneWay(messages: number, bytes: number): Promise<number> {
  const memory = new SharedArrayBuffer(ringBytes(defaultCapacityBytes));
  formatRing(memory, defaultCapacityBytes);
  const consumer = new RingConsumer(memory, defaultCapacityBytes);
  const order: Order = { memory, messages, bytes };
  const worker = new Worker(new URL(import.meta.url), { workerData: order });
  await new Promise((resolve) => worker.once("message", resolve));
  const target = new Uint8Array(65_536);
  const startedAt = performance.now();
  for (let read = 0; read < messages;) if (consumer.tryReadInto(target) >= 0) read += 1;
  const tookMs = performance.now() - startedAt;
  await worker.terminate();
  return (messages / tookMs) * 1_000;
}

function write({ memory, messages, bytes }: Order): void {
  const producer = new RingProducer(memory, defaultCapacityBytes);
  const payload = new Uint8Array(bytes).fill(7);
  parentPort?.postMessage("ready");
  for (let written = 0; written < messages;) if (producer.tryWrite(payload)) written += 1;
}

if (!isMainThread) write(workerData as Order);
