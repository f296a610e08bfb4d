/** The ports that functions have declared: their counters, limits and flags in the programs' maps. */
import type { MappedArray } from "../../ffi/libbpf.ts";
import type { TransportProtocol } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import { countedSince, readPortCounters } from "./counters.ts";
import type { CounterArrays, PortCounters } from "./counters.ts";
import { ipProtocols, portCounterSlots, portFlags, structs } from "./layout.ts";
import type { PortSettingsArray } from "./xdp-object.ts";

const settings = structs.port_settings.fields;
const limit = structs.port_limit.fields;

export interface PortDeclaration {
  readonly protocol: TransportProtocol;
  /** SYNs over it are dropped; `null`: no limit. */
  readonly maxConnectionsPerSecond: number | null;
}

interface Declared {
  readonly slot: number;
  /** What the slot had counted before it was this port's: kernel counters are never set back. */
  readonly before: PortCounters;
}

export interface PortTableMaps {
  readonly settings: PortSettingsArray;
  /** Of every interface there is or was. */
  counters(): Iterable<CounterArrays>;
  readonly limits: MappedArray;
  readonly cpus: number;
}

export class PortTable {
  readonly #maps: PortTableMaps;
  readonly #declared = new Map<number, Declared>();
  readonly #free: number[] = [];
  #next = 1;

  constructor(maps: PortTableMaps) {
    this.#maps = maps;
  }

  /**
   * Gives a port counters of its own, or changes what was declared of it.
   * @throws AetherError AE_BPF_MAP_OPERATION_FAILED when all 4,095 counters are in use
   */
  declare(port: number, { protocol, maxConnectionsPerSecond }: PortDeclaration): void {
    const declared = this.#declared.get(port) ?? this.#add(port);
    const { view, stride } = this.#maps.limits;
    const at = declared.slot * stride;
    const rate = maxConnectionsPerSecond ?? 0;
    const intervalNs = rate > 0 ? BigInt(Math.max(1, Math.floor(1e9 / rate))) : 0n;
    view.setBigUint64(at + limit.syn_interval_ns, intervalNs, true);
    view.setBigUint64(at + limit.syn_burst_ns, intervalNs * BigInt(rate), true);
    this.#writeSettings(port, declared.slot, ipProtocols[protocol]);
    this.#setFlag(port, portFlags.limitSyn, rate > 0);
  }

  #add(port: number): Declared {
    const slot = this.#free.pop() ?? this.#next++;
    if (slot >= portCounterSlots) {
      this.#next = portCounterSlots;
      throw new AetherError("AE_BPF_MAP_OPERATION_FAILED", `port ${port} gets no counters`, {
        why: `all ${portCounterSlots - 1} are in use`,
        data: { map: "port_counters", port, reason: "Full" },
      });
    }
    const { view, stride } = this.#maps.limits;
    for (const at of [limit.syn_due_ns, limit.report_due_ns]) view.setBigUint64(slot * stride + at, 0n, true);
    const declared = { slot, before: this.#read(slot) };
    this.#declared.set(port, declared);
    return declared;
  }

  #writeSettings(port: number, slot: number, protocol: number): void {
    const { view, stride } = this.#maps.settings;
    view.setUint16(port * stride + settings.counter, slot, true);
    view.setUint8(port * stride + settings.protocol, protocol);
  }

  /** Its packets are counted among those of all other ports again. */
  release(port: number): void {
    const declared = this.#declared.get(port);
    if (declared === undefined) return;
    const { view, stride } = this.#maps.settings;
    view.setBigUint64(port * stride, 0n, true);
    this.#declared.delete(port);
    this.#free.push(declared.slot);
  }

  isDeclared(port: number): boolean {
    return this.#declared.has(port);
  }

  /** Whether SYNs of the port are reported; it must be declared. */
  reportSyns(port: number, on: boolean): void {
    if (this.#declared.has(port)) this.#setFlag(port, portFlags.reportSyn, on);
  }

  #setFlag(port: number, flag: number, on: boolean): void {
    const { view, stride } = this.#maps.settings;
    const at = port * stride + settings.flags;
    view.setUint8(at, on ? view.getUint8(at) | flag : view.getUint8(at) & ~flag);
  }

  /** What was counted since the port was declared; `null` for one that is not. */
  counters(port: number): PortCounters | null {
    const declared = this.#declared.get(port);
    if (declared === undefined) return null;
    return countedSince(this.#read(declared.slot), declared.before);
  }

  #read(slot: number): PortCounters {
    return readPortCounters(this.#maps.counters(), this.#maps.cpus, slot);
  }

  /** How many slots were ever given to ports, the common one included. */
  get slots(): number {
    return this.#next;
  }

  /** Of all ports that nobody has declared. */
  otherCounters(): PortCounters {
    return this.#read(0);
  }
}
