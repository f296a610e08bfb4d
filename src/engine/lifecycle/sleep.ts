/** Going to sleep: freezing, and the snapshot. A client that arrives in the middle turns the sleep round. */
import { endConnection } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionCore } from "./function-core.ts";
import type { Instance } from "./driver.ts";
import { prepareNext } from "./prepare.ts";
import { awaitConnection, endInstance, watchIdle } from "./running.ts";
import { resumeSuspended } from "./wake.ts";

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
  if (!core.config.idle.ignoreOpen && cause === "idle" && instance.openConnections() > 0) {
    watchIdle(core, false, startedAt);
    return;
  }
  core.idle.stop();
  await instance.suspend();
  if (core.instance !== instance) return;
  const durationMs = core.around.monotonic() - startedAt;
  core.machine.step("Suspended", { instance: instance.id, durationMs, cause });
  watchIdle(core, true, startedAt);
  awaitConnection(core, 0);
  if (core.config.idle.ignoreOpen) core.connections.watch(instance.takeConnections(), () => core.reactions.connection("data"));
}

/** Running, Suspended or Uninitialized (with an instance just started) -> WarmSnapshot. */
export async function goToSleep(core: FunctionCore, order: SleepOrder): Promise<void> {
  core.machine.assertLegal("WarmSnapshot");
  const instance = core.instance;
  if (instance === null) return;
  const startedAt = core.around.monotonic();
  core.idle.stop();
  if (core.machine.state === "Suspended") {
    // CRIU cannot stop a frozen process: it hangs, and the process dies of SIGTRAP when CRIU is killed.
    core.held.stopWatching();
    core.connections[Symbol.dispose]();
    instance.resume();
  }
  if (core.config.idle.ignoreOpen) for (const socket of instance.takeConnections()) endConnection(socket);
  if (!(await connectionsAllow(core, instance, order))) {
    if (core.machine.state === "Suspended") resumeSuspended(core, "connection", startedAt);
    else watchIdle(core, false, startedAt);
    return;
  }
  const golden = core.config.sleep === "golden" && core.image?.manifest.golden === true;
  if (!golden && !(await dump(core, instance, order, startedAt))) return;
  if (core.instance !== instance) return;
  core.held.expectSuccessor(0);
  await endInstance(core, (ended) => ended.kill());
  const durationMs = core.around.monotonic() - startedAt;
  core.machine.step("WarmSnapshot", { instance: instance.id, durationMs, cause: order.cause });
  awaitConnection(core, 0);
  await prepareNext(core);
}

/** Saves the instance. False: it goes on running. */
async function dump(core: FunctionCore, instance: Instance, order: SleepOrder, startedAt: number): Promise<boolean> {
  core.machine.setActivity("dumping");
  try {
    const { image } = await core.driver.snapshot(instance, core.held.addresses);
    if (order.automatic && core.held.hasQueued()) {
      await core.driver.proceed(instance);
      core.around.discard(image.directory);
      core.notice("a client arrived while it was going to sleep; it goes on running");
      goOnRunning(core, startedAt);
      return false;
    }
    core.setImage(image);
    core.around.seal(image);
    return true;
  } catch (error) {
    if (core.instance === instance) goOnRunning(core, core.around.monotonic());
    if (order.automatic && core.held.hasQueued()) return false; // The client that spoilt the dump is being served.
    if (!order.automatic || !(error instanceof AetherError)) throw error;
    core.report(error);
    return false;
  } finally {
    core.machine.setActivity(null);
  }
}

function goOnRunning(core: FunctionCore, since: number): void {
  if (core.machine.state === "Suspended") resumeSuspended(core, "connection", since);
  else if (core.machine.state === "Running") watchIdle(core, false, core.around.monotonic());
}

/** Whether open connections let the function sleep. @throws AetherError AE_CONNECTIONS_OPEN, for an order of a person */
async function connectionsAllow(core: FunctionCore, instance: Instance, order: SleepOrder): Promise<boolean> {
  if (core.config.connections !== "refuse") return true;
  // Connections ended just now take the function a moment to close.
  const waits = !order.automatic || core.config.idle.ignoreOpen;
  const deadline = core.around.monotonic() + (waits ? connectionsWaitMs : 0);
  let open = instance.openConnections();
  while (open > 0 && core.around.monotonic() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, connectionsPollMs));
    open = instance.openConnections();
  }
  if (open === 0) return true;
  if (order.automatic) return false;
  throw new AetherError("AE_CONNECTIONS_OPEN", `${core.id}: it cannot sleep now`, {
    why: `${open} connection${open === 1 ? " is" : "s are"} open`,
    hint: "Close them, or set `connections: close` (closed at the snapshot) or `connections: keep` (kept across it).",
    data: { function: core.id, open },
  });
}
