/**
 * The data plane of an engine: programs on the declared interfaces, the ports of its functions, and what was counted.
 * Everything is detached when it is closed, and by the kernel when the engine dies.
 */
import { readBpfObject } from "../../ffi/bpf-file.ts";
import { mapId } from "../../ffi/bpf-info.ts";
import { possibleCpus } from "../../ffi/bpf-library.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { BpfObject } from "../../ffi/libbpf.ts";
import type { DataPlaneConfig } from "../../protocol/config.ts";
import type { DataPlaneView } from "../../protocol/views.ts";
import { Attachment } from "./attachment.ts";
import { readInterfaceCounters } from "./counters.ts";
import type { InterfaceCounters, PortCounters } from "./counters.ts";
import { InterfaceCounterMaps } from "./interface-counters.ts";
import { jiffiesClock } from "./jiffies.ts";
import { portCount, portCounterSlots, ringCount, ringSlots } from "./layout.ts";
import { PortMap } from "./port-map.ts";
import type { Disagreement, PortOwner } from "./port-map.ts";
import { PortTable } from "./port-table.ts";
import type { PortDeclaration } from "./port-table.ts";
import { SynReports } from "./syn-reports.ts";
import { Targets } from "./targets.ts";
import type { Target } from "./targets.ts";
import { loadXdpObject, mappedSettings, mappedStructs, mapsToShare } from "./xdp-object.ts";
import type { SharedMaps } from "./xdp-object.ts";

/** Address of whoever is on this host. */
export const localAddress = "127.0.0.1";

export interface DataPlaneOptions {
  readonly config: DataPlaneConfig;
  /** Folder of the compiled objects. */
  readonly bpfDirectory: string;
  readonly epoll: Epoll;
}

export class DataPlane implements Disposable {
  readonly #path: string;
  readonly #cpus = possibleCpus();
  readonly #cleanup: DisposableStack;
  readonly #shared: SharedMaps;
  readonly #attachments = new Map<string, Attachment>();
  /** By interface, also of those that were left. */
  readonly #counters = new Map<string, InterfaceCounterMaps>();
  readonly #map: PortMap;
  readonly #mapId: number;
  readonly #table: PortTable;
  readonly #syns: SynReports;
  readonly #targets: Targets;
  readonly #toMs: (jiffies: number) => number;
  #config: DataPlaneConfig;

  /** @throws AetherError of the family EbpfError; nothing is attached then */
  constructor({ config, bpfDirectory, epoll }: DataPlaneOptions) {
    this.#config = config;
    this.#path = `${bpfDirectory}/xdp.bpf.o`;
    using cleanup = new DisposableStack();
    // Holds the shared maps; the programs that run are those of the interfaces' own objects.
    const object = cleanup.use(loadXdpObject(readBpfObject(this.#path), {}, true));
    this.#shared = mapsToShare(object);
    this.#map = new PortMap(mappedStructs(object, "port_redirect_map", "port_value", portCount));
    this.#mapId = mapId(this.#shared.port_redirect_map);
    this.#table = new PortTable({
      settings: mappedSettings(object),
      counters: () => this.#counters.values(),
      limits: mappedStructs(object, "port_limits", "port_limit", portCounterSlots),
      cpus: this.#cpus,
    });
    this.#toMs = jiffiesClock(object);
    this.#targets = cleanup.use(
      new Targets({
        ...this.#shared,
        rings: mappedStructs(object, "ring_targets", "target", ringCount * ringSlots),
        settings: mappedSettings(object),
        program: object.program("aether_replies"),
      }),
    );
    this.#syns = cleanup.use(new SynReports(epoll, this.#shared.syn_events, this.#table));
    cleanup.defer(() => this.#detachAll());
    for (const name of config.interfaces) this.#attach(name);
    this.#cleanup = cleanup.move();
  }

  #load(name: string): BpfObject {
    const known = this.#counters.get(name)?.maps;
    return loadXdpObject(readBpfObject(this.#path), { ...this.#shared, ...known });
  }

  #attach(name: string): void {
    const object = this.#load(name);
    if (!this.#counters.has(name)) this.#counters.set(name, new InterfaceCounterMaps(object));
    this.#attachments.set(name, new Attachment(name, this.#config.mode, object));
  }

  #detachAll(): void {
    for (const handles of [this.#attachments, this.#counters]) {
      for (const handle of handles.values()) handle[Symbol.dispose]();
      handles.clear();
    }
  }

  /**
   * Follows a new configuration: interfaces come and go, and on those that stay the program is replaced in one step by
   * the one that is compiled now. Mode and presence of the data plane are those of the engine's start.
   * @throws AetherError of the family EbpfError; what was attached before stays
   */
  reload({ interfaces }: DataPlaneConfig): void {
    for (const name of interfaces) {
      const present = this.#attachments.get(name);
      if (present === undefined) this.#attach(name);
      else present.swap(this.#load(name));
    }
    for (const [name, attachment] of this.#attachments) {
      if (interfaces.includes(name)) continue;
      attachment[Symbol.dispose]();
      this.#attachments.delete(name);
    }
    this.#config = { ...this.#config, interfaces };
  }

  /** An instance with an address of its own can be reached from now on (targets.ts). @throws AetherError of the family EbpfError */
  addTarget(target: Target, localSource: string): void {
    this.#targets.add(target, localSource);
  }

  /** It is gone, and with it what was known of its clients. */
  removeTarget(target: Pick<Target, "address">): void {
    this.#targets.remove(target);
  }

  /** Clients of a declared port are spread over these addresses. @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  spread(port: number, addresses: readonly string[]): void {
    this.#targets.spread(port, addresses);
  }

  /** A function has the port from now on, or declares something else of it. @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  declare(port: number, declaration: PortDeclaration): void {
    this.#table.declare(port, declaration);
    if (this.#map.get(port) === null) this.#map.set(port, { pid: 0, address: localAddress });
  }

  /** Nobody has the port any more. */
  release(port: number): void {
    this.#syns.unwatch(port);
    this.#targets.spread(port, []);
    this.#table.release(port);
    this.#map.clear(port);
  }

  /** Who serves the port now. False: that was known. @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  setOwner(port: number, owner: PortOwner): boolean {
    const known = this.#map.get(port);
    if (known !== null && known.pid === owner.pid && known.address === owner.address) return false;
    this.#map.set(port, owner);
    return true;
  }

  /** Calls back once, at the first SYN to a declared port. */
  watchSyn(port: number, onSyn: () => void): void {
    if (this.#table.isDeclared(port)) this.#syns.watch(port, onSyn);
  }

  unwatchSyn(port: number): void {
    this.#syns.unwatch(port);
  }

  /** What came in for a declared port on all interfaces since it was declared; `null` for another one. */
  portCounters(port: number): PortCounters | null {
    return this.#table.counters(port);
  }

  /** Packets to all ports that no function has declared. */
  otherCounters(): PortCounters {
    return this.#table.otherCounters();
  }

  /** Monotonic milliseconds of the last packet to a declared port, right to a tick; `null` when none came. */
  lastPacketMs(port: number): number | null {
    const jiffies = this.#table.counters(port)?.lastPacketJiffies ?? 0;
    return jiffies === 0 ? null : this.#toMs(jiffies);
  }

  /** Of every interface there is or was. */
  interfaceCounters(): InterfaceCounters[] {
    return [...this.#counters].map(([name, arrays]) =>
      readInterfaceCounters(name, arrays, this.#cpus, this.#table.slots),
    );
  }

  /** Where the kernel's port map is not what the engine believes. */
  disagreements(): Disagreement[] {
    return this.#map.disagreements();
  }

  view(): DataPlaneView {
    return {
      interfaces: [...this.#attachments.values()].map(({ name, attached }) => ({ name, ...attached })),
      portMapId: this.#mapId,
      ports: this.#map.entries,
    };
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}
