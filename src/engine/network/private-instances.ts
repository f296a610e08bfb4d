/** Instances with `network: private`: their networks, where the data plane leads to them, and what is counted in them. */
import { existsSync } from "node:fs";
import { bindDatagram, closeToStrangers } from "../../ffi/datagram.ts";
import type { Fd } from "../../ffi/fd.ts";
import { AF_INET, AF_INET6, anyAddress, reservePort } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { PrivateNetwork } from "../lifecycle/function-core.ts";
import type { InstancePrograms, PortPrograms } from "../wake/port-programs.ts";
import type { InstanceNetwork } from "./instance-network.ts";
import { Networks } from "./networks.ts";

export class PrivateInstance implements PrivateNetwork {
  readonly network: InstanceNetwork;
  readonly programs: InstancePrograms;
  readonly #config: FunctionConfig;
  readonly #ports: HostPorts;

  constructor(
    config: FunctionConfig,
    network: InstanceNetwork,
    programs: InstancePrograms,
    ports: HostPorts,
  ) {
    this.#config = config;
    this.network = network;
    this.programs = programs;
    this.#ports = ports;
  }

  get address(): string {
    return this.network.address;
  }

  get cookie(): bigint {
    return this.network.cookie;
  }

  reserve(): void {
    this.#ports.take(this.#config);
  }

  unreserve(): void {
    this.#ports.leave(this.#config);
  }
}

export class PrivateInstances implements Disposable {
  readonly #plane: DataPlane | null;
  readonly #programs: PortPrograms;
  readonly #networks: Networks;
  readonly #ports = new HostPorts();
  readonly #instances = new Map<string, PrivateInstance>();

  /** @param range `engine.private_range` */
  constructor(range: string | null, plane: DataPlane | null, programs: PortPrograms) {
    this.#plane = plane;
    this.#programs = programs;
    this.#networks = new Networks(range, {
      added: (network, localSource) => plane?.addTarget(network, localSource),
      removed: (network) => plane?.removeTarget(network),
    });
  }

  /**
   * The place of an instance.
   * @param config with the instance's own id
   * @throws AetherError AE_ADDRESS_RANGE_TAKEN, AE_NETWORK_FAILED, those of the family EbpfError
   */
  take(config: FunctionConfig): PrivateInstance {
    if (this.#plane === null) {
      throw new AetherError("AE_NETWORK_FAILED", `${config.id}: nothing would lead to its network`, {
        why: "this engine was started without a data plane",
        hint: "Declare engine.data_plane and start the engine anew.",
        data: { function: config.id },
      });
    }
    const network = this.#networks.take(config.id);
    try {
      const { cookie, address } = network;
      const programs = this.#programs.instance({ cookie, address, port: config.triggerPort ?? 0 });
      const made = new PrivateInstance(config, network, programs, this.#ports);
      this.#instances.set(config.id, made);
      return made;
    } catch (error) {
      this.#networks.release(config.id);
      throw error;
    }
  }

  addressOf(replicaId: string): string | null {
    return this.#instances.get(replicaId)?.address ?? null;
  }

  /** The instance is gone, or is about to be made anew: its network waits for `sweep`. */
  release(replicaId: string): void {
    this.#instances.get(replicaId)?.programs[Symbol.dispose]();
    this.#instances.delete(replicaId);
    this.#networks.release(replicaId);
  }

  /** Removes the networks of what was released and not taken again. */
  sweep(): void {
    this.#networks.sweep();
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#instances.keys()]) this.release(id);
    this.#networks[Symbol.dispose]();
    this.#ports[Symbol.dispose]();
  }
}

/**
 * The ports of private functions in the machine's own network: taken, so that no other program finds its clients led away,
 * and not listened on, so that clients to whom nothing leads (IPv6, other interfaces) are refused and do not hang.
 */
class HostPorts implements Disposable {
  readonly #taken = new Map<string, { readonly fd: Fd; users: number }>();

  /** @throws AetherError AE_PORT_TAKEN */
  take({ id, triggerPort, protocol }: FunctionConfig): void {
    if (triggerPort === null) return;
    const key = `${protocol} ${triggerPort}`;
    const known = this.#taken.get(key);
    if (known !== undefined) known.users += 1;
    else this.#taken.set(key, { fd: reserve(id, triggerPort, protocol), users: 1 });
  }

  leave({ triggerPort, protocol }: FunctionConfig): void {
    const key = `${protocol} ${triggerPort ?? 0}`;
    const known = this.#taken.get(key);
    if (known === undefined) return;
    known.users -= 1;
    if (known.users > 0) return;
    known.fd.close();
    this.#taken.delete(key);
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#taken.values()) fd.close();
    this.#taken.clear();
  }
}

function reserve(id: string, port: number, protocol: FunctionConfig["protocol"]): Fd {
  const address = anyAddress(existsSync("/proc/net/if_inet6") ? AF_INET6 : AF_INET, port);
  try {
    if (protocol === "tcp") return reservePort(address);
    const fd = bindDatagram(address);
    closeToStrangers(fd);
    return fd;
  } catch (error) {
    throw new AetherError("AE_PORT_TAKEN", `${id}: port ${port} cannot be taken`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "Stop the program that has it, or give the function another trigger_port.",
      data: { function: id, port },
      cause: error,
    });
  }
}
