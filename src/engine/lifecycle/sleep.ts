/** Going to sleep: freezing, and the snapshot. A client that arrives in the middle turns the sleep round. */
import { endConnection } from "../../ffi/socket.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { FunctionCore } from "./function-core.ts";
import type { Instance } from "./driver.ts";
import { prepareNext, prove } from "./prepare.ts";
import { reclaimSoon } from "./reclaim.ts";
import { awaitConnection, endInstance, watchIdle } from "./running.ts";

/** How long a snapshot ordered by a person waits for open connections to close. */
const connectionsWaitMs = 1_000;
const connectionsPollMs = 25;

export interface SleepOrder {
  readonly cause: string;
  /** From the idle policy: it gives way to clients. One ordered by a person is carried out. */
  readonly automatic: boolean;
}

/** Running -> Suspended. */
export async function suspend(core: FunctionCore, cause: string): Promise<void> {
  core.machine.assertLegal("Suspended");
  const instance = core.instance;
  if (instance === null) return;
  const startedAt = core.around.monotonic();
  if (cause === "idle" && inUse(core, instance)) {
    watchIdle(core, false, startedAt);
    return;
  }
  core.idle.stop();
  core.awakeMemoryBytes = instance.stats().memoryBytes;
  const lastActivity = core.idle.lastActivity(core.held.ports);
  try {
    await instance.suspend();
  } catch (error) {
    if (core.instance === instance) watchIdle(core, false, startedAt);
    throw error;
  }
  if (core.instance !== instance) return;
  // Between the look at the connections and the standstill a client may have been accepted: it would hang.
  if (cause === "idle" && inUse(core, instance)) {
    instance.resume();
    watchIdle(core, false, startedAt);
    return;
  }
  const durationMs = core.around.monotonic() - startedAt;
  core.machine.step("Suspended", { instance: instance.id, durationMs, cause });
  watchIdle(core, true, cause === "idle" ? lastActivity : startedAt);
  awaitConnection(core, 0);
  core.connections.watch(instance.takeConnections(), () => core.reactions.connection("data"));
  reclaimSoon(core, instance);
}

/** Open connections may be declared to count for nothing; an event whose result is waited for always counts. */
function inUse(core: FunctionCore, instance: Instance): boolean {
  return core.config.idle.ignoreOpen ? instance.eventsUnderWay > 0 : instance.openConnections() > 0;
}

/** Running, Suspended or Uninitialized (with an instance just started) -> WarmSnapshot. */
export async function goToSleep(core: FunctionCore, order: SleepOrder): Promise<void> {
  core.machine.assertLegal("WarmSnapshot");
  const instance = core.instance;
  if (instance === null) return;
  const startedAt = core.around.monotonic();
  core.idle.stop();
  try {
    await layDown(core, instance, order, startedAt);
  } catch (error) {
    if (core.instance === instance) goOnRunning(core, instance);
    throw error;
  }
}

async function layDown(
  core: FunctionCore,
  instance: Instance,
  order: SleepOrder,
  startedAt: number,
): Promise<void> {
  if (core.machine.state === "Suspended") {
    // CRIU cannot stop a frozen process: it hangs, and the process dies of SIGTRAP when CRIU is killed.
    core.held.stopWatching();
    core.connections[Symbol.dispose]();
    instance.resume();
  }
  if (core.machine.state === "Running") core.awakeMemoryBytes = instance.stats().memoryBytes;
  if (core.config.idle.ignoreOpen) for (const socket of instance.takeConnections()) endConnection(socket);
  if (!(await connectionsAllow(core, instance, order))) return goOnRunning(core, instance);
  const golden = core.config.sleep === "golden" && core.image?.manifest.golden === true;
  // Its image is there already: who connects right after its end finds the wake prepared. Before it stands still, for what
  // joins a frozen cgroup does too.
  if (golden) await prepareNext(core);
  if (golden ? !(await standsStill(core, instance, order)) : !(await dump(core, instance, order))) {
    if (core.instance === instance) goOnRunning(core, instance);
    return;
  }
  if (core.instance !== instance) return;
  core.held.expectSuccessor(0);
  await endInstance(core, (ended) => ended.kill());
  if (!golden && core.config.sleep === "golden" && !(await becomeGolden(core))) return;
  const durationMs = core.around.monotonic() - startedAt;
  core.machine.step("WarmSnapshot", { instance: instance.id, durationMs, cause: order.cause });
  awaitConnection(core, 0);
  await prepareNext(core);
}

/** The first image of a golden function that was not started asleep: proved now, or given up. False: it has none. */
async function becomeGolden(core: FunctionCore): Promise<boolean> {
  const { image } = core;
  if (image === null) return false;
  core.machine.setActivity("restoring");
  try {
    core.image = await prove(core, image, []);
    core.around.seal(core.image);
    return true;
  } catch (error) {
    core.setImage(null);
    core.machine.instanceGone(false);
    core.report(toAetherError(error));
    awaitConnection(core, core.backoff.fail());
    return false;
  } finally {
    core.machine.setActivity(null);
  }
}

/** Before a golden function is killed: nobody must be accepted between the last look and the kill. False: somebody was. */
async function standsStill(core: FunctionCore, instance: Instance, order: SleepOrder): Promise<boolean> {
  await instance.suspend();
  const clients = order.automatic && core.config.connections === "refuse";
  const open = clients ? instance.openConnections() : instance.eventsUnderWay;
  if (open === 0 && !(clients && core.held.hasQueued())) return true;
  instance.resume();
  return false;
}

/** Saves the instance. False: it goes on running. */
async function dump(core: FunctionCore, instance: Instance, order: SleepOrder): Promise<boolean> {
  core.machine.setActivity("dumping");
  try {
    const { image } = await core.driver.snapshot(instance, core.held.addresses);
    // Kept connections stay in repair mode after a dump that leaves the process stopped (cr_dump_finish): no way back.
    if (order.automatic && core.config.connections !== "keep" && core.held.hasQueued()) {
      core.around.discard(image.directory);
      await core.driver.proceed(instance);
      core.notice("a client arrived while it was going to sleep; it goes on running");
      return false;
    }
    core.setImage(image);
    core.around.seal(image);
    return true;
  } catch (error) {
    if (!order.automatic || !(error instanceof AetherError)) throw error;
    // A client that was accepted just before the dump has spoilt it, and is being served.
    const busy = error.code === "AE_CONNECTIONS_OPEN" || error.data["reason"] === "OpenConnection";
    const client = busy || core.held.hasQueued();
    if (!client) core.report(error);
    return false;
  } finally {
    core.machine.setActivity(null);
  }
}

/** The sleep did not come about: the instance runs, and is shown running. */
function goOnRunning(core: FunctionCore, instance: Instance): void {
  core.held.stopWatching();
  core.connections[Symbol.dispose]();
  if (core.machine.state === "Suspended") {
    instance.resume();
    core.machine.step("Running", { instance: instance.id, durationMs: 0, cause: "sleep given up" });
  }
  if (core.machine.state === "Running") watchIdle(core, false, core.around.monotonic());
}

/**
 * Whether open connections and events under way let the function sleep. What is declared of connections does not hold for
 * events: their results would be lost.
 * @throws AetherError AE_CONNECTIONS_OPEN, for an order of a person
 */
async function connectionsAllow(core: FunctionCore, instance: Instance, order: SleepOrder): Promise<boolean> {
  const { connections, idle } = core.config;
  const count = (): number =>
    connections === "refuse" ? instance.openConnections() : instance.eventsUnderWay;
  // Connections ended just now take the function a moment to close.
  const waits = !order.automatic || idle.ignoreOpen;
  const deadline = core.around.monotonic() + (waits ? connectionsWaitMs : 0);
  let open = count();
  while (open > 0 && core.around.monotonic() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, connectionsPollMs));
    open = count();
  }
  if (open === 0) return true;
  if (order.automatic) return false;
  throw stillOpen(core.id, open, instance.eventsUnderWay);
}

function stillOpen(functionId: string, open: number, events: number): AetherError {
  const data = { function: functionId, open, events };
  const message = `${functionId}: it cannot sleep now`;
  if (events > 0)
    return new AetherError("AE_CONNECTIONS_OPEN", message, {
      why: `it is at work on ${events} invocation${events === 1 ? "" : "s"}`,
      hint: "Wait for the result; `kill` and `restore` discard what is under way.",
      data,
    });
  return new AetherError("AE_CONNECTIONS_OPEN", message, {
    why: `${open} connection${open === 1 ? " is" : "s are"} open`,
    hint: "Close them, or set `connections: close` (closed at the snapshot) or `connections: keep` (kept across it).",
    data,
  });
}
