/**
 * The console against the fake engine, to look at it. Arguments: [count] [--attached] [--starting] [--light] [--read-only].
 * Node cannot run .tsx: compile it with `tsc --outDir` into a folder with `{"type": "module"}` and a link to node_modules.
 * DEMO_PACE_MS is the time between two steps of the fake engine.
 */
import { AetherError } from "../../src/protocol/errors.ts";
import type { WakeTier } from "../../src/protocol/states.ts";
import type { FunctionView } from "../../src/protocol/views.ts";
import { runConsole } from "../../src/ui/console.tsx";
import { asleep, fakeFunction, fakeWake } from "./fake-engine-views.ts";
import { createFakeEngine } from "./fake-engine.ts";

const flags = process.argv.slice(2);
const count = Number(flags.find((flag) => /^\d+$/.test(flag)) ?? 9);
const names = [
  "hello-python",
  "hello-node",
  "counter",
  "sqlite",
  "tcp-echo",
  "static-files",
  "thumbnails",
  "mailer",
  "never-ready",
];

function initial(id: string, index: number): FunctionView {
  if (id === "never-ready") {
    const error = new AetherError("AE_READY_TIMEOUT", `function ${id} was not ready within 5 s`, {
      why: "nothing came over the handshake socket, and port 8088 is not listening",
      hint: "Send READY over $AETHER_SOCKET once the server can serve, or declare `ready: port`.",
      data: { output: ["starting up", "connecting to db.internal:5432 …", "connection timed out"] },
    });
    return asleep(id, index, {
      state: "Uninitialized",
      snapshot: null,
      wakes: 0,
      activity: "backoff",
      exits: 3,
      lastError: error.toJSON(),
      restore: { count: 0, lastMs: null, p50Ms: null, p95Ms: null, p99Ms: null },
    });
  }
  if (index % 4 === 1) return fakeFunction(id, index, { state: "Suspended" });
  return index % 3 === 0 ? fakeFunction(id, index) : asleep(id, index);
}

const functions = Array.from({ length: count }, (_, index) =>
  initial(names[index] ?? `function-${String(index).padStart(3, "0")}`, index),
);
const engine = createFakeEngine({
  functions,
  mode: flags.includes("--attached") ? "attached" : "in-process",
  startAtMs: Date.now(),
});
if (flags.includes("--starting")) engine.engine({ phase: "starting", readyCount: Math.floor(count / 3) });

let round = 0;
function step(): void {
  round += 1;
  const fn = engine.view.functions[(round * 7) % engine.view.functions.length];
  if (fn === undefined || fn.id === "never-ready") return;
  if (fn.state === "Running") {
    const to = round % 2 === 0 ? "Suspended" : "WarmSnapshot";
    engine.event({
      type: "transition",
      functionId: fn.id,
      instance: fn.id,
      from: "Running",
      to,
      durationMs: to === "Suspended" ? 0.4 : 131,
      cause: "idle",
    });
    engine.change(fn.id, to === "Suspended" ? { state: to } : { state: to, instances: [] });
    return;
  }
  const tier: WakeTier = fn.state === "Suspended" ? "suspended" : "snapshot";
  const slow = round % 11 === 0;
  const restoreMs = tier === "snapshot" ? (slow ? 19.4 : 7.2 + ((round * 13) % 40) / 10) : null;
  const totalMs = (restoreMs ?? 0) + 0.6 + (round % 5) / 10;
  engine.event({
    ...fakeWake(fn.id),
    tier,
    restoreMs,
    totalMs,
    overBudget: slow,
  });
  engine.log(fn.id, `127.0.0.1 - "GET /items/${round} HTTP/1.1" 200 - ${totalMs.toFixed(1)} ms`);
  if (round % 4 === 0)
    engine.log(fn.id, `WARN cache miss for key item:${round}, falling back to the database`, "stderr");
  if (round % 9 === 0)
    engine.log(
      fn.id,
      `ERROR could not parse header: \u001b[31m日本語\u001b[0m \u001b]0;evil\u0007 unexpected token`,
      "stderr",
    );
  const fresh = fakeFunction(fn.id, (fn.triggerPort ?? 8080) - 8080);
  engine.change(fn.id, {
    state: "Running",
    instances: fresh.instances,
    wakes: fn.wakes + 1,
    restore: { ...fn.restore, lastMs: restoreMs ?? fn.restore.lastMs },
  });
}

engine.answer(async (id, action) => {
  engine.change(id, { activity: action === "snapshot" ? "dumping" : "restoring" });
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  engine.change(id, { activity: null });
  if (id === "sqlite") {
    throw new AetherError("AE_DUMP_FAILED", `a snapshot of ${id} could not be made`, {
      why: "a file is open that CRIU cannot dump: /srv/shop/orders.db-shm is a deleted file",
      hint: "Let the function close it before it sleeps (beforeSnapshot), or set `sleep: golden`.",
    });
  }
  engine.answer(null);
  return engine.action(id, action);
});

const pace = Number(process.env["DEMO_PACE_MS"] ?? 700);
const timer = setInterval(step, pace);
const starter = setTimeout(() => {
  for (let warm = 0; warm < 60; warm += 1) step();
}, 20);
const outcome = await runConsole(engine, {
  ...(flags.includes("--light") ? { theme: "light" as const } : {}),
  readOnly: flags.includes("--read-only"),
});
clearInterval(timer);
clearTimeout(starter);
process.stdout.write(
  `console ended: ${outcome.reason} ${outcome.signal ?? ""} ${outcome.error?.message ?? ""}\n`,
);
