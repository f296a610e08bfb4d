/** The sandbox as a driver of instances: cold start, dump, trial, prepared restore (lifecycle/driver.ts). */
import type { ListenAddress } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type {
  DumpResult,
  Instance,
  InstanceDriver,
  RestoredAhead,
  WakeOptions,
  WakeResult,
} from "../lifecycle/driver.ts";
import { readRestoreStats } from "../snapshot/restore-stats.ts";
import { heapFileOf } from "../snapshot/image.ts";
import type { Image } from "../snapshot/image.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import { boundedRestore } from "./bounded-restore.ts";
import type { BoundedRestore } from "./bounded-restore.ts";
import type { SandboxContext } from "./context.ts";
import { dumpInstance } from "./dump.ts";
import { FunctionHome } from "./function-home.ts";
import type { FunctionHomeOptions } from "./function-home.ts";
import type { PreparedRestore } from "./prepared-restore.ts";
import { PreparedSet } from "./prepared-set.ts";
import { proveImage } from "./prove-image.ts";
import { RestoresAhead } from "./restores-ahead.ts";
import { SandboxInstance } from "./sandbox-instance.ts";
import { startInstance } from "./start-instance.ts";
import type { TimedRestore } from "./timed-restore.ts";

export class SandboxDriver implements InstanceDriver {
  readonly #home: FunctionHome;
  readonly #prepared = new PreparedSet();
  readonly #ahead = new RestoresAhead(this.#prepared);

  constructor(context: SandboxContext, options: FunctionHomeOptions) {
    this.#home = new FunctionHome(context, options);
  }

  start(): Promise<SandboxInstance> {
    this.#ahead.unlearn();
    return startInstance(this.#home);
  }

  async snapshot(instance: Instance, listens: readonly ListenAddress[]): Promise<DumpResult> {
    const own = this.#own(instance);
    const { context, config, images, workDirectory } = this.#home;
    await own.ring?.layDown();
    try {
      return await dumpInstance(context, { config, instance: own, images, workDirectory, listens });
    } catch (error) {
      own.ring?.resume();
      throw error;
    }
  }

  async proceed(instance: Instance): Promise<void> {
    const own = this.#own(instance);
    await own.continueAfterDump();
    own.ring?.resume();
  }

  #own(instance: Instance): SandboxInstance {
    if (instance instanceof SandboxInstance) return instance;
    throw new AetherError("AE_INTERNAL", `${instance.id} is no instance of this driver`);
  }

  prove(image: Image, before: readonly AnsweredRequest[]): Promise<number> {
    return proveImage(this.#home, image, before);
  }

  async prepare(image: Image, count: number): Promise<void> {
    await this.#prepared.fill(image, count, () => this.#home.makePrepared(image, false));
  }

  get preparedCount(): number {
    return this.#prepared.count;
  }

  restoreAhead(image: Image): Promise<RestoredAhead | null> {
    const { config, workDirectory, where } = this.#home;
    return this.#ahead.hold(image, { functionId: config.id, workDirectory, where });
  }

  get isRestoredAhead(): boolean {
    return this.#prepared.holds;
  }

  async wake(image: Image, options: WakeOptions): Promise<WakeResult> {
    const home = this.#home;
    let oomKills = 0;
    const { prepared, restored, touched } = await this.#restore(image, options, (each) => {
      const restoring = home.restore(each);
      // Read while CRIU works: a client waits for everything before that, and no instruction has run yet.
      oomKills = home.cgroup.oomKills();
      return restoring;
    });
    const instance = new SandboxInstance(home.context, {
      id: prepared.sandbox.name,
      functionId: home.config.id,
      where: home.where,
      sandbox: prepared.sandbox,
      pipes: prepared.pipes,
      cgroup: home.cgroup,
      rootPid: restored.rootPid,
      pid: prepared.heldPid,
      ring: prepared.ring,
      heapFile: heapFileOf(image),
      helperPid: prepared.workerPid,
      oomKills,
    });
    try {
      await prepared.ring?.awake();
    } catch (error) {
      await instance.kill();
      throw error;
    }
    return {
      instance,
      ahead: this.#ahead.of(prepared),
      touched,
      restoreMs: restored.answeredAtMs - restored.sentAtMs,
      sentAtMs: restored.sentAtMs,
      answeredAtMs: restored.answeredAtMs,
      handedOver: () => {
        restored.cpu?.release(instance.pids());
        prepared.pipes.watchSoon();
        if (home.config.restoreAhead !== "never") this.#ahead.learnSoon(() => instance.pids());
      },
      criu: () => readRestoreStats(home.workDirectory),
    };
  }

  /** By what is prepared; by another where that turns out to be of no use. */
  async #restore(
    image: Image,
    options: WakeOptions,
    run: (prepared: PreparedRestore) => Promise<TimedRestore>,
  ): Promise<BoundedRestore & Pick<WakeResult, "touched">> {
    const home = this.#home;
    const { id } = home.config;
    const attempt = (prepared: PreparedRestore): ReturnType<typeof boundedRestore> =>
      boundedRestore(id, prepared, options, run);
    let done = await attempt(this.#prepared.take(image) ?? (await home.makePrepared(image, false)));
    if (done === "lost") done = await attempt(await home.makePrepared(image, false));
    // A program that was touched may have been replaced by the same again: CRIU compares the build ids then.
    const touched = done === "touched";
    if (touched) done = await attempt(await home.makePrepared(image, false, true));
    if (typeof done !== "string") return { ...done, touched };
    throw new AetherError("AE_INTERNAL", `${id}: one made anew was ${done}, too`);
  }

  update(config: FunctionConfig): void {
    this.#home.config = config;
  }

  abort(): void {
    this.#home.underWay?.kill();
  }

  forget(): void {
    this.#prepared.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ahead[Symbol.dispose]();
    await this.#prepared[Symbol.asyncDispose]();
  }
}
