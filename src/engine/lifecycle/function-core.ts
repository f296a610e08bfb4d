/** What the steps of one function's life share: its declaration, state, instance, image and listeners. */
import type { ListenAddress } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { AetherError, ErrorData } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import type { Image } from "../snapshot/image.ts";
import type { FrozenConnections } from "../wake/frozen-connections.ts";
import type { HeldListeners } from "../wake/held-listeners.ts";
import type { IdleDecision, IdleMonitor } from "../wake/idle-monitor.ts";
import type { WarmUpResult } from "../wake/warm-up.ts";
import type { Gate } from "../wake/gate.ts";
import type { PoolMember, WarmPool } from "../wake/warm-pool.ts";
import { Backoff } from "./backoff.ts";
import type { Instance, InstanceDriver, RestoredAhead } from "./driver.ts";
import { LatencyWindow } from "./latency-window.ts";
import { OperationQueue } from "./operation-queue.ts";
import { StateMachine } from "./state-machine.ts";

/** What a function needs of the engine around it. */
export interface FunctionSurroundings {
  now(): number;
  monotonic(): number;
  emit(event: EventBody): void;
  /** The function's view has changed. */
  changed(functionId: string): void;
  /** Removes a folder without holding up the reactor. */
  discard(path: string): void;
  /** Computes an image's checksums without holding up the reactor. */
  seal(image: Image): void;
  /** At most so many restores at once. */
  readonly restores: Gate;
  /** One image is proved at a time: trials that share the processor measure each other. */
  readonly proofs: Gate;
  /** One restore ahead of its wake at a time: those on which clients wait need the processors. */
  readonly ahead: Gate;
  /** Who has a restore prepared ahead. */
  readonly pool: WarmPool;
  /** The warm-up requests, to the function's port. */
  warmUp(config: FunctionConfig, listens: readonly ListenAddress[]): Promise<WarmUpResult>;
}

export interface FunctionParts {
  readonly driver: InstanceDriver;
  readonly held: HeldListeners;
  readonly idle: IdleMonitor;
  readonly connections: FrozenConnections;
  /** `null`: it shares the machine's. */
  readonly network: PrivateNetwork | null;
}

/** The network of a function's own instance, as its life needs it. */
export interface PrivateNetwork {
  /** As "10.213.0.3". */
  readonly address: string;
  /** Identity of its namespace: a socket of it has the same. */
  readonly cookie: bigint;
  /** Nobody else on this machine gets the port, for clients that come by no interface of the data plane. @throws AetherError AE_PORT_TAKEN */
  reserve(): void;
  /** Gives the port free. */
  unreserve(): void;
}

/** What follows when something outside happens; set by the function's runtime. */
export interface Reactions {
  /** A connection waits, or data for a frozen function. */
  connection(cause: string): void;
  /** An idle limit was reached. */
  idle(decision: IdleDecision): void;
  /** Without an instance since just now: what the next wake needs can be made ready. */
  asleep(): void;
}

export class FunctionCore implements PoolMember {
  config: FunctionConfig;
  readonly reactions: Reactions;
  readonly around: FunctionSurroundings;
  readonly driver: InstanceDriver;
  readonly held: HeldListeners;
  readonly idle: IdleMonitor;
  readonly connections: FrozenConnections;
  readonly network: PrivateNetwork | null;
  readonly machine: StateMachine;
  readonly queue: OperationQueue;
  /** Short lives in a row. */
  readonly backoff: Backoff;
  /** Failed starts and restores in a row. */
  readonly wakeBackoff: Backoff;
  readonly restoreLatency = new LatencyWindow();
  readonly wakeLatency = new LatencyWindow();
  instance: Instance | null = null;
  image: Image | null = null;
  /** The restore ahead whose listeners are held; `null`: others are. */
  ahead: RestoredAhead | null = null;
  wakes = 0;
  coldStarts = 0;
  exits = 0;
  violations = 0;
  /** Of its instance, just before it last went to sleep. */
  awakeMemoryBytes: number | null = null;
  lastError: ErrorData | null = null;
  /** Set while we end the instance ourselves: its exit is no crash. */
  ending = false;
  backoffTimer: NodeJS.Timeout | undefined;
  /** The function is being removed: nothing is started any more. */
  closing = false;

  constructor(
    config: FunctionConfig,
    parts: FunctionParts,
    around: FunctionSurroundings,
    reactions: Reactions,
  ) {
    this.config = config;
    this.reactions = reactions;
    this.around = around;
    this.driver = parts.driver;
    this.held = parts.held;
    this.idle = parts.idle;
    this.connections = parts.connections;
    this.network = parts.network;
    this.queue = new OperationQueue(config.id);
    this.backoff = new Backoff(() => around.monotonic());
    this.wakeBackoff = new Backoff(() => around.monotonic());
    this.machine = new StateMachine({
      functionId: config.id,
      now: () => around.now(),
      emit: (event) => around.emit(event),
      onChange: () => around.changed(config.id),
    });
  }

  get id(): string {
    return this.config.id;
  }

  /** Keeps the error as the function's last and reports it. */
  report(error: AetherError): void {
    this.lastError = error.toJSON();
    this.around.emit({ type: "error", functionId: this.id, error: this.lastError });
    this.around.changed(this.id);
  }

  /** Its place in the pool goes to another function. */
  evict(): void {
    this.#forget();
    this.around.changed(this.id);
  }

  #forget(): void {
    this.ahead = null;
    this.driver.forget();
  }

  notice(text: string): void {
    this.around.emit({ type: "notice", functionId: this.id, text });
  }

  /** Replaces the image; the former one is removed. */
  setImage(image: Image | null): void {
    const former = this.image;
    this.image = image;
    if (former !== null && former !== image) {
      this.#forget();
      this.around.discard(former.directory);
      if (image === null) this.around.pool.release(this);
    }
  }
}
