/**
 * The data plane of an engine: programs on the declared interfaces, the ports of its functions, and what was counted.
 * Everything is detached when it is closed, and by the kernel when the engine dies.
 */
import { readBpfObject } from "../../ffi/bpf-file.ts";
import { mapId } from "../../ffi/bpf-info.ts";
import { possibleCpus } from "../../ffi/bpf-library.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { DataPlaneConfig } from "../../protocol/config.ts";
import type { DataPlaneView } from "../../protocol/views.ts";
import { Attachment } from "./attachment.ts";
import type { InterfaceCounters, PortCounters } from "./counters.ts";
import { jiffiesClock } from "./jiffies.ts";
import { portCount, portCounterSlots } from "./layout.ts";
import { PortMap } from "./port-map.ts";
import type { Disagreement, PortOwner } from "./port-map.ts";
import { PortTable } from "./port-table.ts";
import type { PortDeclaration } from "./port-table.ts";
import { SynReports } from "./syn-reports.ts";
import { loadXdpObject, mappedStructs, mapsToShare } from "./xdp-object.ts";
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
  readonly #map: PortMap;
  readonly #mapId: number;
  readonly #table: PortTable;
  readonly #syns: SynReports;
  readonly #toMs: (jiffies: number) => number;
  #config: DataPlaneConfig;

  /** @throws AetherError of the family EbpfError; nothing is attached then */
  constructor({ config, bpfDirectory, epoll }: DataPlaneOptions) {
    this.#config = config;
    this.#path = `${bpfDirectory}/xdp.bpf.o`;
    using cleanup = new DisposableStack();
    // Holds the shared maps; the programs that run are those of the interfaces' own objects.
    const object = cleanup.use(loadXdpObject(readBpfObject(this.#path), {}));
    this.#shared = mapsToShare(object);
    this.#map = new PortMap(mappedStructs(object, "port_redirect_map", "port_value", portCount));
    this.#mapId = mapId(this.#shared.port_redirect_map);
    this.#table = new PortTable({
      settings: mappedStructs(object, "port_settings", "port_settings", portCount),
      counters: mappedStructs(object, "port_counters", "port_counters", this.#cpus * portCounterSlots),
      limits: mappedStructs(object, "port_limits", "port_limit", portCounterSlots),
      cpus: this.#cpus,
    });
    this.#toMs = jiffiesClock(object);
    this.#syns = cleanup.use(new SynReports(epoll, this.#shared.syn_events, this.#table));
    cleanup.defer(() => this.#detachAll());
    for (const name of config.interfaces) this.#attach(name);
    this.#cleanup = cleanup.move();
  }

  #attach(name: string): void {
    const object = loadXdpObject(readBpfObject(this.#path), this.#shared);
    this.#attachments.set(name, Attachment.attach(name, this.#config.mode, object, this.#cpus));
  }

  #detachAll(): void {
    for (const attachment of this.#attachments.values()) attachment[Symbol.dispose]();
    this.#attachments.clear();
  }

  /**
   * Follows a new configuration: interfaces come and go, and on those that stay the program is replaced in one step by
   * the one that is compiled now. Mode and presence of the data plane are those of the engine's start.
   * @throws AetherError of the family EbpfError; what was attached before stays
   */
  reload({ interfaces }: DataPlaneConfig): void {
    const source = readBpfObject(this.#path);
    for (const name of interfaces) {
      const present = this.#attachments.get(name);
      if (present === undefined) this.#attach(name);
      else present.swap(source, this.#shared);
    }
    for (const [name, attachment] of this.#attachments) {
      if (interfaces.includes(name)) continue;
      attachment[Symbol.dispose]();
      this.#attachments.delete(name);
    }
    this.#config = { ...this.#config, interfaces };
  }

  /** A function has the port from now on, or declares something else of it. @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  declare(port: number, declaration: PortDeclaration): void {
    this.#table.declare(port, declaration);
    if (this.#map.get(port) === null) this.#map.set(port, { pid: 0, address: localAddress });
  }

  /** Nobody has the port any more. */
  release(port: number): void {
    this.#syns.unwatch(port);
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

  interfaceCounters(): InterfaceCounters[] {
    return [...this.#attachments.values()].map((attachment) => attachment.counters());
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
