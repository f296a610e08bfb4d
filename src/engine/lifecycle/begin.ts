/** A function's first state, as its declaration wants it: a proven snapshot, running, or asleep until somebody connects. */
import { AetherError, isAetherError } from "../../protocol/errors.ts";
import type { Image } from "../snapshot/image.ts";
import type { Instance } from "./driver.ts";
import type { FunctionCore } from "./function-core.ts";
import { openPorts } from "./ports.ts";
import { prepareNext, prove } from "./prepare.ts";
import { awaitConnection, endInstance, watchIdle } from "./running.ts";
import { coldStart, startInstance } from "./wake.ts";
import { wakeOrder } from "./wake-record.ts";

/** Brings the function to the state in which it waits for its clients. Rejects with what kept it from that. */
export async function begin(core: FunctionCore, cause: string): Promise<void> {
  const { start } = core.config;
  switch (start) {
    case "lazy":
      return beginLazy(core);
    case "running":
      return await coldStart(core, wakeOrder(core, cause));
    case "snapshot":
      return await beginAsleep(core, cause);
    default:
      start satisfies never;
  }
}

/**
 * Takes over an image that fits: one an earlier engine left, or one with which a new version has proved itself. Ports that
 * are not held yet are opened here: nothing runs that could.
 */
export async function beginAdopted(core: FunctionCore, image: Image, cause: string): Promise<void> {
  core.setImage(image);
  openPorts(core);
  if (image.manifest.files.length === 0) core.around.seal(image);
  core.machine.step("WarmSnapshot", { instance: "", durationMs: 0, cause });
  awaitConnection(core, 0);
  await prepareNext(core);
}

function beginLazy(core: FunctionCore): void {
  if (core.held.isEmpty) openPorts(core);
  awaitConnection(core, 0);
}

/** Cold start, warm-up, snapshot, three trials: only then is the image the one that wakes are served from. */
async function beginAsleep(core: FunctionCore, cause: string): Promise<void> {
  const startedAt = core.around.monotonic();
  const ownPort = core.held.isEmpty;
  const instance = await startInstance(core);
  if (core.closing) return;
  const { problem, answered } = await core.around.warmUp(core.config, core.held.addresses);
  if (problem !== null) core.notice(`a warm-up request failed: ${problem}`);
  core.awakeMemoryBytes = instance.stats().memoryBytes;
  core.machine.setActivity("dumping");
  let image: Image;
  try {
    image = await firstImage(core, instance);
  } catch (error) {
    // It runs, and stays: a function that cannot sleep is better than none.
    core.machine.setActivity(null);
    if (core.instance === instance) {
      const durationMs = core.around.monotonic() - startedAt;
      core.machine.step("Running", { instance: instance.id, durationMs, cause });
      watchIdle(core, false, core.around.monotonic());
    }
    if (!isAetherError(error) || !clientsConnected(error)) throw error;
    core.notice("clients are connected already; it runs, and is saved when it is idle");
    return;
  }
  if (core.instance !== instance) return; // It ended, and that has been reported.
  core.held.expectSuccessor(0);
  await endInstance(core, (ended) => ended.kill());
  if (core.closing) return core.around.discard(image.directory);
  core.machine.setActivity("restoring");
  try {
    image = await prove(core, image, answered);
  } catch (error) {
    core.around.discard(image.directory);
    // A port that was open before stays open, and its clients start the function cold; one of this start is closed.
    if (ownPort) core.held.handOver();
    else awaitConnection(core, 0);
    throw error;
  } finally {
    core.machine.setActivity(null);
  }
  core.setImage(image);
  core.around.seal(image);
  const durationMs = core.around.monotonic() - startedAt;
  core.machine.step("WarmSnapshot", { instance: instance.id, durationMs, cause });
  awaitConnection(core, 0);
  await prepareNext(core);
}

/** @throws AetherError AE_CONNECTIONS_OPEN, AE_DUMP_FAILED */
async function firstImage(core: FunctionCore, instance: Instance): Promise<Image> {
  if (core.config.connections !== "refuse" || (await becomesQuiet(instance)))
    return (await core.driver.snapshot(instance, core.held.addresses)).image;
  throw new AetherError("AE_CONNECTIONS_OPEN", `${core.id}: clients are connected`);
}

/** Seen before the dump, or by CRIU itself when a client was accepted in between. */
function clientsConnected(error: AetherError): boolean {
  return error.code === "AE_CONNECTIONS_OPEN" || error.data["reason"] === "OpenConnection";
}

/** Waits a moment for connections to close: those of warm-up requests take a function a moment. */
export async function becomesQuiet(instance: Instance): Promise<boolean> {
  for (let tries = 0; tries < 40; tries++) {
    if (instance.openConnections() === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

/** Uninitialized -> WarmSnapshot, ordered by a person. */
export async function snapshotFromNothing(core: FunctionCore): Promise<void> {
  core.machine.assertLegal("WarmSnapshot");
  await beginAsleep(core, "snapshot");
}
