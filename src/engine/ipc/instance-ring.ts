/** Rings, control page and doorbells of one instance through its life: made for a start or a wake, laid down for a snapshot. */
import { randomBytes } from "node:crypto";
import type { Epoll } from "../../ffi/epoll.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { Registration } from "./control-page.ts";
import type { RingUsage } from "../../protocol/views.ts";
import { RingInvoker } from "./ring-invoker.ts";
import { RingLink } from "./ring-link.ts";
import { RingMemory } from "./ring-memory.ts";
import type { RingKeys } from "./ring-memory.ts";

/** How long hooks may take, before a snapshot and after a restore: as AWS Lambda's SnapStart has it. */
const hookDeadlineMs = 10_000;
/** How long events under way may take to end before a snapshot. */
const quietDeadlineMs = 1_000;
const quietPollMs = 5;

/** What of the rings an image remembers. Numbers of 64 bits as text. */
export interface RingRecord {
  readonly keys: RingKeys;
  readonly reqPosition: number;
  readonly resPosition: number;
  readonly generation: string;
  readonly sequence: string;
  readonly registration: Registration;
}

export interface InstanceRingOptions {
  readonly epoll: Epoll;
  readonly functionId: string;
  /** Id of the instance. */
  readonly instance: string;
  /** As "aether-<engine>". */
  readonly prefix: string;
  /** Not used before by this function, nor in the memory of the image. */
  readonly generation: bigint;
  /** What the image remembers; `null` for a start from nothing. */
  readonly image: RingRecord | null;
  readonly now: () => number;
  /** The rings cannot be used any more: the peer broke their rules. */
  readonly onFailure: (error: AetherError) => void;
}

export class InstanceRing implements Disposable {
  readonly memory: RingMemory;
  readonly invoker: RingInvoker;
  readonly generation: bigint;
  readonly #link: RingLink;
  readonly #functionId: string;
  readonly #restored: boolean;
  readonly #now: () => number;

  /** @throws AetherError AE_SHM_CREATE_FAILED, AE_SHM_MAP_FAILED */
  constructor(options: InstanceRingOptions) {
    const { image, functionId, generation } = options;
    const stand = {
      reqPosition: image?.reqPosition ?? 0,
      resPosition: image?.resPosition ?? 0,
    };
    this.#functionId = functionId;
    this.#now = options.now;
    this.#restored = image !== null;
    this.generation = generation;
    this.memory = RingMemory.create(`${options.prefix}-${options.instance}`, stand);
    this.#link = new RingLink({
      epoll: options.epoll,
      memory: this.memory,
      identity: {
        instance: options.instance,
        generation,
        entropy: randomBytes(32),
        restored: image !== null,
        wallClockMs: options.now(),
      },
      stand,
      image: image === null ? null : { sequence: BigInt(image.sequence), registration: image.registration },
      onMessage: (message) => this.invoker.take(message),
      onFailure: (error) => {
        this.invoker.fail(error);
        options.onFailure(error);
      },
    });
    this.invoker = new RingInvoker(functionId, this.#link);
    // It waits in the page for the process that is to be restored.
    if (image?.registration.hooks === true) this.#link.order("afterRestore");
  }

  /** How full its rings are, and how many events are under way. */
  get usage(): RingUsage | null {
    const { fill } = this.#link;
    return fill === null ? null : { ...fill, pending: this.invoker.pending };
  }

  /** Whether the handler serves events over the ring, by its own word. */
  get servesEvents(): boolean {
    return this.#link.registration.events;
  }

  /** The restore begins for which these rings were made. */
  waking(): void {
    this.#link.waking(this.#now());
  }

  /**
   * Lets the hooks run after a restore. Without hooks there is nothing to wait for.
   * @throws AetherError AE_HOOK_FAILED
   */
  async awake(): Promise<void> {
    if (!this.#restored || !this.#link.registration.hooks) return;
    const answer = await this.#link.acknowledged(hookDeadlineMs);
    if (answer === null) return;
    const why = answer === "late" ? `they did not end within ${hookDeadlineMs / 1_000} s` : answer.refused;
    throw new AetherError("AE_HOOK_FAILED", `${this.#functionId}: its hooks failed after a restore`, {
      why,
      hint: `The instance was ended. The handler's log has the details: \`aether logs ${this.#functionId}\`.`,
      data: { function: this.#functionId, late: answer === "late" },
    });
  }

  /**
   * Runs the hooks and waits until nothing is under way. After it, `record` holds for a snapshot; `resume` goes back.
   * @throws AetherError AE_HOOK_REFUSED; AE_CONNECTIONS_OPEN while events are under way
   */
  async layDown(): Promise<void> {
    if (this.#link.failure !== null) throw this.#link.failure;
    if (this.#link.registration.hooks) {
      const answer = await this.#link.command("beforeSnapshot", hookDeadlineMs);
      if (answer !== null) throw this.#refused(answer === "late" ? null : answer.refused);
    }
    const deadline = performance.now() + quietDeadlineMs;
    while (this.invoker.pending > 0 || this.#link.stand === null) {
      if (performance.now() > deadline) {
        this.resume();
        throw new AetherError("AE_CONNECTIONS_OPEN", `${this.#functionId}: it cannot sleep now`, {
          why: "events are under way over its ring",
          hint: "It sleeps when they are done.",
          data: { function: this.#functionId, open: this.invoker.pending },
        });
      }
      await new Promise((resolve) => setTimeout(resolve, quietPollMs));
    }
  }

  #refused(why: string | null): AetherError {
    return new AetherError("AE_HOOK_REFUSED", `${this.#functionId}: a hook refused the snapshot`, {
      why: why ?? `its hooks did not end within ${hookDeadlineMs / 1_000} s`,
      hint: "The function runs on. The reason is the handler's own.",
      data: { function: this.#functionId, late: why === null },
    });
  }

  /** The snapshot did not come about: the hooks for going on run, and nobody waits for them. */
  resume(): void {
    if (this.#link.registration.hooks) this.#link.order("resume");
  }

  /** What the image has to remember. @throws AetherError AE_CONNECTIONS_OPEN when something came in between */
  get record(): RingRecord {
    const { stand } = this.#link;
    if (stand === null) {
      throw new AetherError("AE_CONNECTIONS_OPEN", `${this.#functionId}: an event came during the snapshot`, {
        hint: "It sleeps when that is done.",
        data: { function: this.#functionId, open: 1 },
      });
    }
    return {
      keys: this.memory.keys,
      ...stand,
      generation: String(this.generation),
      sequence: String(this.#link.sequence),
      registration: this.#link.registration,
    };
  }

  /** The instance has ended: whoever waits for a result is told. */
  ended(error: AetherError): void {
    this.invoker.fail(error);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
  }
}
