/** Instances with an address of their own: how they are reached, which of them a port's clients get, and the way back. */
import { attachXdp } from "../../ffi/bpf-xdp.ts";
import type { XdpLink } from "../../ffi/bpf-xdp.ts";
import type { BpfMap, BpfProgram, MappedArray } from "../../ffi/libbpf.ts";
import { AetherError } from "../../protocol/errors.ts";
import { ringCount, ringSlots, structs } from "./layout.ts";
import { packAddress } from "./port-map.ts";
import type { PortSettingsArray } from "./xdp-object.ts";

const neighbour = structs.neighbour.fields;
const flowKey = structs.flow_key.fields;
const flowValue = structs.flow_value.fields;

/** An instance as the programs have to know it. */
export interface Target {
  readonly address: string;
  /** The host's end of its veth pair. */
  readonly hostInterface: string;
  readonly hostIndex: number;
  readonly mac: Uint8Array;
  readonly hostMac: Uint8Array;
}

export interface TargetMaps {
  readonly neighbours: BpfMap;
  readonly flows: BpfMap;
  readonly replies: BpfMap;
  readonly rings: MappedArray;
  readonly settings: PortSettingsArray;
  /** aether_replies, for the hosts' ends. */
  readonly program: BpfProgram;
}

export class Targets implements Disposable {
  readonly #maps: TargetMaps;
  readonly #links = new Map<string, XdpLink>();
  /** Port -> its ring. */
  readonly #rings = new Map<number, number>();

  constructor(maps: TargetMaps) {
    this.#maps = maps;
  }

  /**
   * From now on packets can be sent to it, and its answers find back.
   * @param localSource the address that clients on this host have in its eyes
   * @throws AetherError AE_BPF_ATTACH_FAILED, AE_BPF_MAP_OPERATION_FAILED
   */
  add(target: Target, localSource: string): void {
    const value = new DataView(new ArrayBuffer(structs.neighbour.size));
    value.setUint32(neighbour.ifindex, target.hostIndex, true);
    value.setUint32(neighbour.local_source, packAddress(localSource), true);
    const bytes = new Uint8Array(value.buffer);
    bytes.set(target.mac, neighbour.mac);
    bytes.set(target.hostMac, neighbour.host_mac);
    // Generic: the veth driver's own hook would switch off what makes its TCP fast, and lose checksums left to be filled in.
    this.#links.set(target.address, attachXdp(this.#maps.program, target.hostInterface, "generic"));
    this.#maps.neighbours.update(key(target.address), bytes);
  }

  /** Nothing is sent to it any more: not even packets of connections that it had. */
  remove({ address }: Pick<Target, "address">): void {
    this.#links.get(address)?.[Symbol.dispose]();
    this.#links.delete(address);
    this.#maps.neighbours.remove(key(address));
    this.#forgetFlows(packAddress(address));
  }

  #forgetFlows(address: number): void {
    const { flows, replies } = this.#maps;
    const at = (bytes: Uint8Array, offset: number): number =>
      new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
    for (const entry of flows.entries())
      if (at(entry.value, flowValue.addr) === address) flows.remove(entry.key);
    for (const entry of replies.entries())
      if (at(entry.key, flowKey.source) === address) replies.remove(entry.key);
  }

  /**
   * Spreads the clients of a declared port over several targets; one, or none: the port map alone says who has it. Each
   * slot of the ring belongs to the target that scores highest for it, so that a change moves no more than it must.
   * @throws AetherError AE_BPF_MAP_OPERATION_FAILED when there are too many such ports
   */
  spread(port: number, addresses: readonly string[]): void {
    if (addresses.length < 2) return this.#setRing(port, 0);
    const ring = this.#rings.get(port) ?? this.#freeRing(port);
    const { view, stride } = this.#maps.rings;
    for (let slot = 0; slot < ringSlots; slot++)
      view.setUint32((ring * ringSlots + slot) * stride, packAddress(highest(slot, addresses)), true);
    this.#rings.set(port, ring);
    this.#setRing(port, ring);
  }

  #freeRing(port: number): number {
    const taken = new Set(this.#rings.values());
    for (let ring = 1; ring < ringCount; ring++) if (!taken.has(ring)) return ring;
    throw new AetherError("AE_BPF_MAP_OPERATION_FAILED", `port ${port} cannot be spread over instances`, {
      why: `all ${ringCount - 1} rings are in use`,
      hint: "Give fewer functions more than one instance.",
      data: { map: "ring_targets", port, reason: "Full" },
    });
  }

  #setRing(port: number, ring: number): void {
    if (ring === 0) this.#rings.delete(port);
    const { view, stride } = this.#maps.settings;
    view.setUint16(port * stride + structs.port_settings.fields.ring, ring, true);
  }

  [Symbol.dispose](): void {
    for (const link of this.#links.values()) link[Symbol.dispose]();
    this.#links.clear();
  }
}

function key(address: string): Uint8Array {
  return new Uint8Array(new Uint32Array([packAddress(address)]).buffer);
}

function highest(slot: number, addresses: readonly string[]): string {
  const scored = addresses.map((address) => ({ address, score: score(slot, packAddress(address)) }));
  return scored.reduce((best, each) => (each.score > best.score ? each : best)).address;
}

/** The finalizer of MurmurHash3: any bit of slot and address may change any of the score. */
export function score(slot: number, address: number): number {
  let hash = (address ^ Math.imul(slot + 1, 0x9e3779b1)) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
