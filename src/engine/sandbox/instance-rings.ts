/** Rings for the instances of one function, each with a generation of its own. */
import { basename } from "node:path";
import { InstanceRing } from "../ipc/instance-ring.ts";
import type { RingRecord } from "../ipc/instance-ring.ts";
import type { SandboxContext } from "./context.ts";

export class InstanceRings {
  readonly #context: SandboxContext;
  readonly #functionId: string;
  #generation = 0n;

  constructor(context: SandboxContext, functionId: string) {
    this.#context = context;
    this.#functionId = functionId;
  }

  /**
   * @param instance id of the instance
   * @param image what its image remembers; `null` for a start from nothing
   * @throws AetherError AE_SHM_CREATE_FAILED, AE_SHM_MAP_FAILED
   */
  make(instance: string, image: RingRecord | null): InstanceRing {
    // Also above that of an image which an earlier engine made: what it has in memory must not look like the present.
    const former = BigInt(image?.generation ?? 0);
    this.#generation = (this.#generation > former ? this.#generation : former) + 1n;
    const context = this.#context;
    return new InstanceRing({
      epoll: context.epoll,
      functionId: this.#functionId,
      instance,
      prefix: basename(context.snapshotRoot),
      generation: this.#generation,
      image,
      now: () => context.now(),
      onFailure: (error) => context.ringFailed(this.#functionId, error),
    });
  }
}
