/** One function of the engine: its first state, the orders it takes, its replacement and its end. */
import { isBoundDatagram } from "../../ffi/datagram.ts";
import type { Fd } from "../../ffi/fd.ts";
import { AF_INET, inetSocket, netnsCookie } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, assertNever, toAetherError } from "../../protocol/errors.ts";
import type { ConnectionCount, FunctionView } from "../../protocol/views.ts";
import type { Image } from "../snapshot/image.ts";
import type { IdleDecision } from "../wake/idle-monitor.ts";
import type { IdleFunction } from "../wake/memory-budget.ts";
import type { TakenListener } from "./driver.ts";
import { FunctionCore } from "./function-core.ts";
import type { FunctionParts, FunctionSurroundings } from "./function-core.ts";
import { begin, beginAdopted, snapshotFromNothing } from "./begin.ts";
import { functionView } from "./function-view.ts";
import { deliver } from "./invoke.ts";
import type { Delivered, Event } from "./invoke.ts";
import { prepareNext } from "./prepare.ts";
import { awaitConnection, endInstance, watchIdle } from "./running.ts";
import { quietMoment } from "./quiet-moment.ts";
import { goToSleep, suspend } from "./sleep.ts";
import { wake, wakeFailed } from "./wake.ts";
import type { WakeOrder } from "./wake.ts";
import { wakeOrder } from "./wake-record.ts";

/** What a function does by itself; to restart it is to replace it (reactor/function-table.ts). */
export type OwnAction = Exclude<FunctionAction, "restart">;

export class FunctionRuntime {
  readonly #core: FunctionCore;

  constructor(config: FunctionConfig, parts: FunctionParts, around: FunctionSurroundings) {
    this.#core = new FunctionCore(config, parts, around, {
      connection: (cause) => this.#wakeSoon(cause),
      idle: (decision) => this.#sleepSoon(decision),
      asleep: () => this.#prepareSoon(),
    });
  }

  #wakeSoon(cause: string): void {
    const core = this.#core;
    const order = wakeOrder(core, cause);
    core.queue
      .run(() => wake(core, order))
      .catch((error: unknown) => wakeFailed(core, order, toAetherError(error)));
  }

  #prepareSoon(): void {
    const core = this.#core;
    if (core.closing) return;
    core.queue.run(() => prepareNext(core)).catch((error: unknown) => core.report(toAetherError(error)));
  }

  #sleepSoon(decision: IdleDecision): void {
    const core = this.#core;
    const instance = core.instance;
    core.queue
      .run(async () => {
        // Whatever came before this turn in the queue may have changed everything.
        if (core.instance !== instance || core.closing) return;
        if (decision === "suspend" && core.machine.state === "Running") await suspend(core, "idle");
        else if (decision === "suspend") return;
        else await goToSleep(core, { cause: "idle", automatic: true });
      })
      .catch((error: unknown) => core.report(toAetherError(error)));
  }

  get id(): string {
    return this.#core.id;
  }

  get config(): FunctionConfig {
    return this.#core.config;
  }

  /** Ports on which the engine holds listeners for this function. */
  get ports(): readonly number[] {
    return this.#core.held.ports;
  }

  /**
   * Brings the function to its first state.
   * @param adopted an image that it begins with, asleep
   * @param inherited listeners of the version it replaces that it `inherits`, clients queued on them included
   * @returns whether it got there; what went wrong has been reported then
   */
  async begin(adopted: Image | null, inherited: readonly TakenListener[], cause: string): Promise<boolean> {
    const core = this.#core;
    if (inherited.length > 0) core.held.hold(inherited);
    try {
      core.network?.reserve();
      await core.queue.run(() =>
        adopted === null ? begin(core, cause) : beginAdopted(core, adopted, cause),
      );
      return true;
    } catch (error) {
      core.report(toAetherError(error, `${core.id}: it could not be started`));
      // With clients queued on inherited listeners, the next connection tries again.
      if (core.instance === null && !core.held.isEmpty) awaitConnection(core, core.backoff.fail());
      return false;
    }
  }

  /**
   * Whether a listener of an earlier version can be this one's. A function that gets or gives up a network of its own leaves
   * its former port, and who is queued there, behind.
   */
  inherits(fd: Fd): boolean {
    const { network, config } = this.#core;
    if (isBoundDatagram(fd) !== (config.protocol === "udp")) return false;
    const cookie = netnsCookie(fd);
    if (network !== null) return cookie === network.cookie;
    using own = inetSocket(AF_INET);
    return cookie === netnsCookie(own);
  }

  /** Carries out an order of a person. Rejects with the reason, a typed error. */
  async action(action: OwnAction): Promise<void> {
    const core = this.#core;
    const order = wakeOrder(core, action);
    await core.queue.run(async () => {
      try {
        await this.#obey(action, order);
      } catch (error) {
        if (core.instance === null && !core.closing && !core.held.isEmpty) {
          awaitConnection(core, 0);
          await prepareNext(core);
        }
        throw error;
      }
    });
  }

  /** Wakes it if need be and gives it an event (invoke.ts). Rejects with the reason, a typed error. */
  async invoke(event: Event): Promise<Delivered> {
    const core = this.#core;
    try {
      return await deliver(core, event);
    } catch (error) {
      if (core.instance === null && !core.closing && !core.held.isEmpty && core.queue.isIdle) {
        awaitConnection(core, 0);
        this.#prepareSoon();
      }
      throw error;
    }
  }

  async #obey(action: OwnAction, order: WakeOrder): Promise<void> {
    const core = this.#core;
    switch (action) {
      case "snapshot":
        if (core.machine.state === "Uninitialized") return await snapshotFromNothing(core);
        return await goToSleep(core, { cause: "snapshot", automatic: false });
      case "suspend":
        return await suspend(core, "suspend");
      case "wake":
        core.machine.assertLegal("Running");
        return await wake(core, order);
      case "restore":
        return await this.#restore(order);
      case "kill":
        return await this.#kill();
      default:
        return assertNever(action);
    }
  }

  /** Back to the image; the memory of a running instance is discarded. */
  async #restore(order: WakeOrder): Promise<void> {
    const core = this.#core;
    if (core.image === null) {
      throw new AetherError("AE_SNAPSHOT_NOT_FOUND", `${core.id}: it has no snapshot to return to`, {
        hint: `Make one: \`aether snapshot ${core.id}\`.`,
        data: { function: core.id },
      });
    }
    if (core.instance !== null) {
      core.held.stopWatching();
      await endInstance(core, (instance) => instance.kill());
      core.machine.instanceGone(true);
      await prepareNext(core);
    }
    await wake(core, order);
  }

  /** Ends the instance; asleep, discards the snapshot. The port stays held: the next connection starts it again. */
  async #kill(): Promise<void> {
    const core = this.#core;
    if (core.instance !== null) {
      core.held.stopWatching();
      const killed = core.instance;
      await endInstance(core, (instance) => instance.kill());
      if (core.machine.state === "Suspended" && core.image === null) {
        core.machine.step("Uninitialized", { instance: killed.id, durationMs: 0, cause: "kill" });
      } else {
        core.machine.instanceGone(core.image !== null);
        core.notice("killed");
      }
      await prepareNext(core);
    } else {
      core.machine.assertLegal("Uninitialized");
      core.setImage(null);
      core.machine.step("Uninitialized", { instance: "", durationMs: 0, cause: "kill" });
    }
    awaitConnection(core, 0);
  }

  /** Takes over settings that need no new process. */
  update(config: FunctionConfig): void {
    const core = this.#core;
    core.config = config;
    core.driver.update(config);
    const suspended = core.machine.state === "Suspended";
    if (core.instance !== null && (suspended || core.machine.state === "Running") && core.queue.isIdle) {
      watchIdle(core, suspended, core.idle.lastActivity(core.held.ports));
    }
    core.around.changed(this.id);
  }

  /**
   * Ends the function. Its listeners are the caller's: to close them, or to hand them to the version that follows.
   * @param gently waits a moment for clients that are being answered
   */
  async end(gently = false): Promise<readonly TakenListener[]> {
    const core = this.#core;
    core.closing = true;
    clearTimeout(core.backoffTimer);
    core.idle.stop();
    core.held.stopWatching();
    core.machine.setActivity("stopping");
    // A start, a dump or a trial under way must not be waited for: its sandbox ends, and with it the operation.
    if (!core.queue.isIdle) core.driver.abort();
    await core.queue.close();
    const { stopSignal, stopTimeoutMs } = core.config;
    await endInstance(core, async (instance) => {
      if (gently && core.machine.state === "Running") await quietMoment(core, instance);
      await instance.stop(stopSignal, stopTimeoutMs);
    });
    core.around.pool.release(core);
    core.network?.unreserve();
    await core.driver[Symbol.asyncDispose]();
    core.machine.setActivity(null);
    core.machine.instanceGone(core.image !== null);
    return core.held.detach();
  }

  /** A new version of it has failed to prove itself: this one stays. */
  keepInPlace(error: AetherError): void {
    this.#core.report(error);
    this.#core.notice("its new version has not proved itself; the former one goes on serving");
  }

  /** As the memory budget sees it; `null` where it has no process, is in use, or something is under way. */
  get idleMemory(): IdleFunction | null {
    const { machine, instance, config, idle, held } = this.#core;
    const { state } = machine;
    if (instance === null || !this.#atRest()) return null;
    // Without a port or events nobody sees whether it is used.
    const seen = config.triggerPort !== null || config.handler !== null;
    if (state !== "Suspended" && (state !== "Running" || !seen)) return null;
    const { memoryBytes } = instance.stats();
    if (memoryBytes === null) return null;
    return {
      id: this.id,
      tier: state === "Suspended" ? "suspended" : "running",
      memoryBytes,
      lastUsedMs: idle.lastActivity(held.ports),
      mayGoDown: config.idle.snapshotAfterMs !== null,
    };
  }

  #atRest(): boolean {
    const { closing, machine, queue, idle, held, instance } = this.#core;
    if (closing || machine.activity !== null || !queue.isIdle) return false;
    return idle.openConnections(held.ports) === 0 && (instance?.eventsUnderWay ?? 0) === 0;
  }

  /** Becomes a snapshot because the engine's memory is short. False: it did not, as it is in use or cannot be saved. */
  async demote(): Promise<boolean> {
    const core = this.#core;
    if (!this.#atRest()) return false;
    const { instance } = core;
    return await core.queue.run(async () => {
      if (core.closing || instance === null || core.instance !== instance) return false;
      // The kernel's counters are a hint; the sockets themselves are asked before a function goes to sleep.
      if (instance.openConnections() > 0) return false;
      await goToSleep(core, { cause: "memory budget", automatic: true });
      return core.machine.state === "WarmSnapshot";
    });
  }

  /** The image of the moment, for a clean-up or for the next engine. */
  get image(): Image | null {
    return this.#core.image;
  }

  /** @param toWallMs what makes a wall clock time of a monotonic one */
  connections(toWallMs: number): ConnectionCount {
    const { id, idle, held } = this.#core;
    const { opened, open, lastChangeMs } = idle.counts(held.ports);
    return { id, opened, open, lastChangeMs: lastChangeMs === 0 ? null : lastChangeMs + toWallMs };
  }

  view(): FunctionView {
    return functionView(this.#core);
  }
}
