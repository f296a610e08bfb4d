/** Puts a function together: its group, network, driver, held listeners and what watches them. */
import { inetSocket } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { InstanceNetwork } from "../network/instance-network.ts";
import type { PrivateInstances } from "../network/private-instances.ts";
import type { FunctionSurroundings } from "../lifecycle/function-core.ts";
import { FunctionRuntime } from "../lifecycle/function-runtime.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { SandboxDriver } from "../sandbox/sandbox-driver.ts";
import type { Image } from "../snapshot/image.ts";
import { FrozenConnections } from "../wake/frozen-connections.ts";
import { HeldListeners } from "../wake/held-listeners.ts";
import { IdleMonitor } from "../wake/idle-monitor.ts";
import { warmUp } from "../wake/warm-up.ts";
import type { InstanceOutputs } from "./instance-outputs.ts";
import type { ReactorParts } from "./reactor-parts.ts";
import { mustProve, rehearse } from "./rehearse.ts";

export interface FunctionMakerOptions {
  readonly parts: Pick<ReactorParts, "epoll" | "cgroups" | "ports" | "plane">;
  readonly context: SandboxContext;
  readonly outputs: InstanceOutputs;
  readonly privates: PrivateInstances;
  readonly surroundings: Omit<FunctionSurroundings, "warmUp">;
}

export class FunctionMaker {
  readonly #options: FunctionMakerOptions;

  constructor(options: FunctionMakerOptions) {
    this.#options = options;
  }

  /** @throws AetherError AE_NETWORK_FAILED, AE_PORT_TAKEN, AE_SANDBOX_SETUP_FAILED */
  make(config: FunctionConfig): FunctionRuntime {
    const { parts, context, outputs, privates } = this.#options;
    const { epoll, cgroups, ports, plane } = parts;
    const tail = outputs.add(config.id);
    const own = config.network === "private" ? privates.take(config) : null;
    const cgroup = cgroups.createFunction(config.id, { memoryLimitBytes: config.memoryLimitBytes });
    const driver = new SandboxDriver(context, {
      config,
      cgroup,
      lastOutput: () => tail.lines(),
      network: own?.network ?? null,
    });
    const held = new HeldListeners(epoll, own?.programs ?? ports, {
      protocol: config.protocol,
      syns: plane,
      inNetwork: own === null ? (work) => work() : (work) => own.network.run(work),
      notice: (text) => this.#notice(config.id, text),
    });
    const idle = new IdleMonitor(own?.programs ?? ports);
    const connections = new FrozenConnections(epoll);
    const runtimeParts = { driver, held, idle, connections, network: own };
    return new FunctionRuntime(config, runtimeParts, this.#surroundings(own?.network ?? null));
  }

  /** What `make` took for it, once it has ended. */
  unmake(replicaId: string): void {
    const { outputs, privates, parts } = this.#options;
    outputs.remove(replicaId);
    privates.release(replicaId);
    parts.cgroups.removeFunction(replicaId);
  }

  /** Tries a new version beside the running one. @returns its image; `null`: it has nothing to prove. @throws as `rehearse` */
  async rehearse(config: FunctionConfig): Promise<Image | null> {
    if (!mustProve(config)) return null;
    const { parts, context, surroundings } = this.#options;
    const { id, memoryLimitBytes } = config;
    const cgroup = parts.cgroups.createFunction(id, { memoryLimitBytes }, "next");
    try {
      return await rehearse(config, {
        context,
        cgroup,
        proofs: surroundings.proofs,
        notice: (text) => this.#notice(id, text),
      });
    } finally {
      parts.cgroups.removeFunction(id, "next");
    }
  }

  #notice(functionId: string, text: string): void {
    this.#options.surroundings.emit({ type: "notice", functionId, text });
  }

  #surroundings(network: InstanceNetwork | null): FunctionSurroundings {
    const { parts, surroundings } = this.#options;
    return {
      ...surroundings,
      warmUp: (config, listens) =>
        warmUp(parts.epoll, config, listens, ({ family }) =>
          Promise.resolve(network?.run(() => inetSocket(family)) ?? null),
        ),
    };
  }
}
