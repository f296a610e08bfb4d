/** The reactor's thread: orders in, reports out (reactor-messages.ts). */
import { parentPort } from "node:worker_threads";
import { scheduleAsUsual } from "../../ffi/scheduling.ts";
import { AetherError, assertNever, toAetherError } from "../../protocol/errors.ts";
import type { Event } from "../lifecycle/invoke.ts";
import { Reactor } from "./reactor.ts";
import type { ReactorOrder, ReactorReport } from "./reactor-messages.ts";

if (parentPort === null) throw new AetherError("AE_INTERNAL", "the reactor runs in a thread of its own");
const port = parentPort;
// The thread that made this one gives way; this one answers clients, and what it starts are the functions.
scheduleAsUsual();
const report = (message: ReactorReport): void => port.postMessage(message);
let reactor: Reactor | null = null;
/** Errors reported before the reactor was there to count them. */
const early: Extract<ReactorOrder, { type: "error-seen" }>["event"][] = [];

async function obey(order: ReactorOrder): Promise<void> {
  switch (order.type) {
    case "start":
      reactor = await Reactor.create(order, report);
      for (const event of early.splice(0)) reactor.errorSeen(event);
      report({ type: "started", epollNumber: reactor.epollNumber });
      return await reactor.begin();
    case "apply":
      return await answer(order.id, async () => {
        await reactor?.apply(order);
        return null;
      });
    case "action":
      return await answer(
        order.id,
        async () => (await reactor?.action(order.functionId, order.action)) ?? null,
      );
    case "connections":
      if (reactor !== null) report({ type: "connections", id: order.id, counts: reactor.connections() });
      return;
    case "error-seen":
      if (reactor === null) early.push(order.event);
      else reactor.errorSeen(order.event);
      return;
    case "invoke":
      return await deliver(order.id, order.functionId, order.event);
    case "output-taken":
      return reactor?.outputTaken(order.instanceOf, order.bytes);
    case "stop": {
      const images = (await reactor?.stop()) ?? [];
      report({ type: "stopped", images });
      return port.close();
    }
    default:
      return assertNever(order);
  }
}

async function answer(
  id: number,
  work: () => Promise<Extract<ReactorReport, { type: "done" }>["view"]>,
): Promise<void> {
  try {
    report({ type: "done", id, view: await work(), error: null });
  } catch (error) {
    report({ type: "done", id, view: null, error: toAetherError(error).toJSON() });
  }
}

async function deliver(id: number, functionId: string, event: Event): Promise<void> {
  try {
    const delivered = (await reactor?.invoke(functionId, event)) ?? null;
    report({ type: "delivered", id, delivered, error: null });
  } catch (error) {
    report({ type: "delivered", id, delivered: null, error: toAetherError(error).toJSON() });
  }
}

port.on("message", (order: ReactorOrder) => {
  obey(order).catch((error: unknown) => report({ type: "failed", error: toAetherError(error).toJSON() }));
});
