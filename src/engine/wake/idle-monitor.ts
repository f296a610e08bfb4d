/** When a running function has been without connections for long enough. One timer while it runs, none while it sleeps. */
import type { IdleConfig } from "../../protocol/config.ts";

/** Connections of a port since the engine began, as the kernel's program counts them (bpf/cgroup.bpf.c). */
export interface PortActivity {
  /** Established and closed so far. */
  readonly established: bigint;
  readonly closed: bigint;
  /** Monotonic clock, ms; 0 when nothing happened yet. */
  readonly lastChangeMs: number;
}

export interface IdleSource {
  read(port: number): PortActivity;
  monotonic(): number;
}

export type IdleDecision = "suspend" | "snapshot";

/** How soon a decision is looked at again when connections are still open. */
const recheckMs = 1_000;

export class IdleMonitor implements Disposable {
  readonly #source: IdleSource;
  #timer: NodeJS.Timeout | null = null;
  #since = 0;

  constructor(source: IdleSource) {
    this.#source = source;
  }

  /**
   * Starts to watch. `decide` is called when a limit is reached; it says whether the step was taken.
   * @param since monotonic ms of the last activity known to the caller: the wake itself
   */
  start(
    idle: IdleConfig,
    ports: readonly number[],
    suspended: boolean,
    since: number,
    decide: (decision: IdleDecision) => void,
  ): void {
    this.stop();
    this.#since = since;
    const limit = suspended ? idle.snapshotAfterMs : nearest(idle);
    if (limit === null) return;
    const decision: IdleDecision = !suspended && limit === idle.suspendAfterMs ? "suspend" : "snapshot";
    const look = (): void => {
      const now = this.#source.monotonic();
      const open = !idle.ignoreOpen && this.openConnections(ports) > 0;
      const left = this.lastActivity(ports) + limit - now;
      if (open || left > 0) this.#arm(look, open ? Math.max(recheckMs, left) : left);
      else decide(decision);
    };
    this.#arm(look, since + limit - this.#source.monotonic());
  }

  #arm(look: () => void, ms: number): void {
    // setTimeout rounds down to whole milliseconds: one more, or it fires just before the limit and again.
    this.#timer = setTimeout(look, Math.min(Math.max(ms, 0) + 1, 2 ** 31 - 1));
  }

  /** Monotonic ms of the last connection opened or closed, or of the wake where there was none since. */
  lastActivity(ports: readonly number[]): number {
    return Math.max(this.#since, ...ports.map((port) => this.#source.read(port).lastChangeMs));
  }

  /** Connections open by the kernel's count; for views. The decision to sleep asks the socket tables. */
  openConnections(ports: readonly number[]): number {
    return ports.reduce((sum, port) => {
      const { established, closed } = this.#source.read(port);
      return sum + Math.max(0, Number(established - closed));
    }, 0);
  }

  /** All that the kernel's program knows of these ports. `lastChangeMs` is monotonic, 0 for never. */
  counts(ports: readonly number[]): {
    readonly opened: number;
    readonly open: number;
    readonly lastChangeMs: number;
  } {
    const each = ports.map((port) => this.#source.read(port));
    return {
      opened: each.reduce((sum, { established }) => sum + Number(established), 0),
      open: this.openConnections(ports),
      lastChangeMs: Math.max(0, ...each.map(({ lastChangeMs }) => lastChangeMs)),
    };
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

/** The limit that comes first; suspension wins a tie only when it comes strictly before the snapshot. */
function nearest(idle: IdleConfig): number | null {
  const { suspendAfterMs, snapshotAfterMs } = idle;
  if (suspendAfterMs === null) return snapshotAfterMs;
  if (snapshotAfterMs === null) return suspendAfterMs;
  return suspendAfterMs < snapshotAfterMs ? suspendAfterMs : snapshotAfterMs;
}
