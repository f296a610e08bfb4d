/** Our side of `aether bench xdp`, in a process of its own: it takes runs by message, one after another. */
import { DescriptorBatch, place, XskBuilder } from "../../dist/xdp.js";
import type { RunOrder, RunResult } from "./xdp-order.ts";

const warmUpMs = 20;

/** Counts from the end of the warm-up to the end of the run, as xdp-baseline.c does. */
class Meter {
  readonly #ms: number;
  readonly #startedAt = performance.now();
  #from = 0;
  #until = 0;
  #packets = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  goesOn(packets: number): boolean {
    const now = performance.now();
    if (this.#from === 0) {
      if (now - this.#startedAt >= warmUpMs) this.#from = now;
      return true;
    }
    this.#packets += packets;
    this.#until = now;
    return now - this.#from < this.#ms;
  }

  get result(): RunResult {
    const ns = (this.#until - this.#from) * 1e6;
    return { packets: this.#packets, ns, heapBytes: process.memoryUsage().heapUsed };
  }
}

function builder({ namespace, batch, mode }: RunOrder): XskBuilder {
  const built = new XskBuilder("xa")
    .networkNamespace(namespace)
    .batch(batch)
    .poller("busy")
    .bindTimeout(2000);
  return mode === "tx" ? built.withoutProgram() : built.filter("everything");
}

async function runEngine(order: RunOrder): Promise<RunResult> {
  await using engine = await builder(order).engine();
  const meter = new Meter(order.ms);
  const forwards = order.mode === "l2fwd";
  let seen = 0;
  // Without a packet there is no call: a timer ends the run when nothing comes.
  const timer = setTimeout(() => engine.stop(), order.ms + 1000);
  await engine.run((batch) => {
    const { length } = batch;
    for (let at = 0; at < length; at++) {
      const packet = batch.at(at);
      if (forwards) {
        packet.ethernet()?.swapAddresses();
        packet.send();
      }
      seen += packet.u8(0);
    }
    if (!meter.goesOn(length)) engine.stop();
  });
  clearTimeout(timer);
  return seen < 0 ? { packets: 0, ns: 1, heapBytes: 0 } : meter.result;
}

async function runRaw(order: RunOrder): Promise<RunResult> {
  using raw = await builder(order).raw();
  const { socket } = raw;
  const { bytes, memory } = socket;
  const batch = new DescriptorBatch(order.batch);
  const meter = new Meter(order.ms);
  const head = [2, 0, 0, 0, 0, 0xa, 2, 0, 0, 0, 0, 0xb, 0x88, 0xb5];
  const packet = new Uint8Array(60).fill(0x55);
  packet.set(head);
  const sendAll = (): void => {
    let sent = socket.send(batch);
    socket.kick();
    while (sent < batch.count) {
      socket.reclaim();
      sent += socket.send(batch, sent);
      socket.kick();
    }
  };
  let seen = 0;
  let count = 0;
  do {
    socket.reclaim();
    if (order.mode === "tx") {
      batch.count = 0;
      while (batch.count < batch.capacity) {
        const address = socket.allocate();
        if (address < 0) break;
        bytes.set(packet, address);
        batch.add(address, packet.length);
      }
      count = batch.count;
      if (count > 0) sendAll();
      else socket.kick();
      continue;
    }
    socket.refill();
    count = socket.receive(batch);
    for (let at = 0; at < count; at++) {
      const address = batch.addresses[at] ?? 0;
      seen += bytes[address] ?? 0;
      if (order.mode === "rx") {
        socket.drop(address, place.rx);
        continue;
      }
      const high = memory.getUint32(address);
      const low = memory.getUint16(address + 4);
      memory.setUint32(address, memory.getUint32(address + 6));
      memory.setUint16(address + 4, memory.getUint16(address + 10));
      memory.setUint32(address + 6, high);
      memory.setUint16(address + 10, low);
    }
    if (order.mode === "l2fwd" && count > 0) sendAll();
  } while (meter.goesOn(count));
  return seen < 0 ? { packets: 0, ns: 1, heapBytes: 0 } : meter.result;
}

process.on("message", (order: RunOrder) => {
  const run = order.way === "engine" ? runEngine(order) : runRaw(order);
  run.then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
