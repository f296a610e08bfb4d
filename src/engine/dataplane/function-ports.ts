/** The functions of an engine on its data plane: their ports, who serves them, and what follows a change of them. */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { DataPlaneView, FunctionView } from "../../protocol/views.ts";
import { localAddress } from "./data-plane.ts";
import type { DataPlane } from "./data-plane.ts";

export class FunctionPorts {
  readonly #plane: DataPlane;
  readonly #changed: (view: DataPlaneView) => void;
  readonly #ports = new Map<string, number>();

  /** @param changed called after every change of what the plane should be */
  constructor(plane: DataPlane, changed: (view: DataPlaneView) => void) {
    this.#plane = plane;
    this.#changed = changed;
    changed(plane.view());
  }

  /** A function is there, or declares something else. @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  declare({ id, triggerPort, protocol, maxConnectionsPerSecond }: FunctionConfig): void {
    if (triggerPort === null) return;
    this.#plane.declare(triggerPort, { protocol, maxConnectionsPerSecond });
    this.#ports.set(id, triggerPort);
    this.#changed(this.#plane.view());
  }

  /** The function is gone. */
  release(id: string): void {
    const port = this.#ports.get(id);
    if (port === undefined) return;
    this.#ports.delete(id);
    // A function that follows on the same port has declared it already.
    if (![...this.#ports.values()].includes(port)) this.#plane.release(port);
    this.#changed(this.#plane.view());
  }

  /** Enters the processes that serve the ports now. */
  follow(views: readonly FunctionView[]): void {
    let changed = false;
    for (const { id, instances } of views) {
      const port = this.#ports.get(id);
      const pid = instances[0]?.pid ?? 0;
      if (port !== undefined && this.#plane.setOwner(port, { pid, address: localAddress })) changed = true;
    }
    if (changed) this.#changed(this.#plane.view());
  }
}
