/** A function's first state, as its declaration wants it: a proven snapshot, running, or asleep until somebody connects. */
import { existsSync } from "node:fs";
import { AF_INET, AF_INET6, anyAddress } from "../../ffi/socket.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { Image } from "../snapshot/image.ts";
import type { FunctionCore } from "./function-core.ts";
import { prepareNext } from "./prepare.ts";
import { awaitConnection, endInstance, watchIdle } from "./running.ts";
import { coldStart, startInstance } from "./wake.ts";

/** Brings the function to the state in which it waits for its clients. Rejects with what kept it from that. */
export async function begin(core: FunctionCore, cause: string): Promise<void> {
  const { start } = core.config;
  switch (start) {
    case "lazy":
      return beginLazy(core);
    case "running":
      return await coldStart(core, { cause, seenAtMs: core.around.monotonic() });
    case "snapshot":
      return await beginAsleep(core, cause);
    default:
      start satisfies never;
  }
}

/** Takes over an image that an earlier engine left and that fits. The port is opened here: nothing runs that could. */
export async function beginAdopted(core: FunctionCore, image: Image): Promise<void> {
  const listens = image.manifest.listens.map((entry) => ({ ...entry, address: Uint8Array.from(entry.address) }));
  for (const address of listens) openPort(core, address);
  core.setImage(image);
  core.machine.step("WarmSnapshot", { instance: "", durationMs: 0, cause: "adopted" });
  awaitConnection(core, 0);
  await prepareNext(core);
}

function beginLazy(core: FunctionCore): void {
  if (core.config.triggerPort === null) return;
  // Which family the function will listen on is not known yet; clients on the other one are relayed once it does.
  if (core.held.isEmpty) openPort(core, anyAddress(existsSync("/proc/net/if_inet6") ? AF_INET6 : AF_INET, core.config.triggerPort));
  awaitConnection(core, 0);
}

function openPort(core: FunctionCore, address: ListenAddress): void {
  const { port } = address;
  try {
    core.held.openPlaceholder(address);
  } catch (error) {
    throw new AetherError("AE_PORT_TAKEN", `${core.id}: port ${port} cannot be opened`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "Stop the program that listens on it, or give the function another trigger_port.",
      data: { function: core.id, port },
      cause: error,
    });
  }
}

/** Cold start, warm-up, snapshot, three trials: only then is the image the one that wakes are served from. */
async function beginAsleep(core: FunctionCore, cause: string): Promise<void> {
  const startedAt = core.around.monotonic();
  const instance = await startInstance(core);
  const problem = await core.around.warmUp(core.config);
  if (problem !== null) core.notice(`a warm-up request failed: ${problem}`);
  core.machine.setActivity("dumping");
  let image: Image;
  try {
    if (!(await quiet(core))) {
      core.notice("clients are connected already; it runs, and is saved when it is idle");
      core.machine.setActivity(null);
      core.machine.step("Running", { instance: instance.id, durationMs: core.around.monotonic() - startedAt, cause });
      watchIdle(core, false, core.around.monotonic());
      return;
    }
    image = (await core.driver.snapshot(instance, core.held.addresses)).image;
  } catch (error) {
    // It runs, and stays: a function that cannot sleep is better than none.
    core.machine.setActivity(null);
    if (core.instance === instance) {
      core.machine.step("Running", { instance: instance.id, durationMs: core.around.monotonic() - startedAt, cause });
      watchIdle(core, false, core.around.monotonic());
    }
    throw error;
  }
  core.held.expectSuccessor(0);
  await endInstance(core, (ended) => ended.kill());
  core.machine.setActivity("restoring");
  try {
    image = await prove(core, image);
  } catch (error) {
    core.around.discard(image.directory);
    core.held.handOver();
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

/** Waits a moment for connections to close, under `connections: refuse`. */
async function quiet(core: FunctionCore): Promise<boolean> {
  if (core.config.connections !== "refuse") return true;
  for (let tries = 0; tries < 40; tries++) {
    if ((core.instance?.openConnections() ?? 0) === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

/** @throws AetherError AE_LATENCY_VIOLATION when the median trial exceeds an enforced budget */
async function prove(core: FunctionCore, image: Image): Promise<Image> {
  const trialMs = await core.around.proofs.run(() => core.driver.prove(image));
  const { restoreBudgetMs, onViolation, sleep } = core.config;
  if (trialMs > restoreBudgetMs) {
    core.violations += 1;
    const measured = Math.round(trialMs * 100) / 100;
    if (onViolation === "fail") {
      throw new AetherError("AE_LATENCY_VIOLATION", `${core.id}: its snapshot does not restore within the budget`, {
        why: `the median of three trial restores is ${measured} ms, and the limit is ${restoreBudgetMs} ms`,
        hint: "Raise restore_budget_ms, or set `on_violation: serve` to serve late and count the violation.",
        data: { function: core.id, actualMs: measured, limitMs: restoreBudgetMs },
      });
    }
    core.notice(`its trial restores took ${measured} ms; the budget is ${restoreBudgetMs} ms (on_violation: serve)`);
  }
  return { directory: image.directory, manifest: { ...image.manifest, trialMs, golden: sleep === "golden" } };
}

/** Uninitialized -> WarmSnapshot, ordered by a person. */
export async function snapshotFromNothing(core: FunctionCore): Promise<void> {
  core.machine.assertLegal("WarmSnapshot");
  await beginAsleep(core, "snapshot");
}

