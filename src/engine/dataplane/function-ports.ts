/** The functions of an engine on its data plane: their ports, who serves them, and what follows a change of them. */
import type { FunctionConfig } from "../../protocol/config.ts";
import type { DataPlaneView, FunctionView } from "../../protocol/views.ts";
import { localAddress } from "./data-plane.ts";
import type { DataPlane } from "./data-plane.ts";

interface DeclaredPort {
  readonly port: number;
  /** Of its instances; empty: they are on this host. */
  readonly addresses: readonly string[];
}

export class FunctionPorts {
  readonly #plane: DataPlane;
  readonly #changed: (view: DataPlaneView) => void;
  readonly #ports = new Map<string, DeclaredPort>();

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
    this.#ports.set(id, { port: triggerPort, addresses: this.#ports.get(id)?.addresses ?? [] });
    this.#changed(this.#plane.view());
  }

  /** Addresses of a declared function's instances; packets to its port go there. @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  lead(id: string, addresses: readonly string[]): void {
    const port = this.#ports.get(id)?.port;
    if (port === undefined) return;
    this.#plane.spread(port, addresses);
    this.#ports.set(id, { port, addresses });
    this.#plane.setOwner(port, { pid: 0, address: addresses[0] ?? localAddress });
    this.#changed(this.#plane.view());
  }

  /** The function is gone. */
  release(id: string): void {
    const port = this.#ports.get(id)?.port;
    if (port === undefined) return;
    this.#ports.delete(id);
    // A function that follows on the same port has declared it already.
    if (![...this.#ports.values()].some((other) => other.port === port)) this.#plane.release(port);
    this.#changed(this.#plane.view());
  }

  /** Enters the processes that serve the ports now. */
  follow(views: readonly FunctionView[]): void {
    let changed = false;
    for (const { id, instances } of views) {
      const declared = this.#ports.get(id);
      if (declared === undefined) continue;
      const owner = { pid: instances[0]?.pid ?? 0, address: declared.addresses[0] ?? localAddress };
      if (this.#plane.setOwner(declared.port, owner)) changed = true;
    }
    if (changed) this.#changed(this.#plane.view());
  }
}
