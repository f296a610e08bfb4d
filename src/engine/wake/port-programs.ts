/** The kernel programs of the wake path (bpf/cgroup.bpf.c), attached once to the engine's root cgroup. */
import { readBpfObject } from "../../ffi/bpf-file.ts";
import { openDirectory } from "../../ffi/fd.ts";
import { BpfObject } from "../../ffi/libbpf.ts";
import type { BpfMap, MappedArray } from "../../ffi/libbpf.ts";
import { AF_INET, inetSocket, netnsCookie } from "../../ffi/socket.ts";
import { packAddress } from "../dataplane/port-map.ts";
import { monotonicMs } from "../monotonic.ts";
import type { TransportProtocol } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { HeldPorts } from "./held-listeners.ts";
import type { IdleSource, PortActivity } from "./idle-monitor.ts";

const portCount = 65_536;
/** SLOTS: instances with a network of their own; 0 is nobody's. */
const slotCount = 4096;
/** Of bpf/cgroup.bpf.c: abi_version, then host_netns_cookie at its natural alignment. */
const abiVersion = 3;
const abiVersionAt = 0;
const cookieAt = 8;
/** HELD_TCP, HELD_UDP */
const heldMarks = { tcp: 1, udp: 2 } as const satisfies Record<TransportProtocol, number>;
/** struct port_activity_entry */
const activityBytes = 24;
const closedAt = 8;
const lastChangeAt = 16;

/** Where an instance with a network of its own is. */
export interface InstancePlace {
  /** Of its network namespace (SO_NETNS_COOKIE). */
  readonly cookie: bigint;
  /** As "10.213.0.3". */
  readonly address: string;
  /** The port of its function: the only one that is asked for. */
  readonly port: number;
}

interface SlotMaps {
  readonly activity: MappedArray;
  readonly ofNetns: BpfMap;
  readonly ofAddress: BpfMap;
  readonly heldPorts: BpfMap;
}

/** Held ports and activity of one instance with a network of its own. */
export class InstancePrograms implements HeldPorts, IdleSource, Disposable {
  readonly #maps: SlotMaps;
  readonly #slot: number;
  readonly #place: InstancePlace;
  readonly #around: { countDatagrams(): void; ended(): void };
  readonly #before: PortActivity;

  constructor(
    maps: SlotMaps,
    slot: number,
    place: InstancePlace,
    around: { countDatagrams(): void; ended(): void },
  ) {
    this.#maps = maps;
    this.#slot = slot;
    this.#place = place;
    this.#around = around;
    // Counters are never set back: what an earlier instance of the slot had is taken off.
    this.#before = activityAt(maps.activity, slot);
    const value = u32(slot);
    maps.ofNetns.update(new Uint8Array(new BigUint64Array([place.cookie]).buffer), value);
    maps.ofAddress.update(addressKey(place.address), value);
  }

  #portKey(port: number): Uint8Array {
    const key = new DataView(new ArrayBuffer(8));
    key.setUint32(0, this.#slot, true);
    key.setUint16(4, port, true);
    return new Uint8Array(key.buffer);
  }

  mark(port: number, protocol: TransportProtocol): void {
    if (protocol === "udp") this.#around.countDatagrams();
    this.#maps.heldPorts.update(this.#portKey(port), new Uint8Array([heldMarks[protocol]]));
  }

  unmark(port: number): void {
    this.#maps.heldPorts.remove(this.#portKey(port));
  }

  read(port: number): PortActivity {
    const now = activityAt(this.#maps.activity, this.#slot);
    if (port !== this.#place.port) return { established: 0n, closed: 0n, lastChangeMs: 0 };
    const established = now.established - this.#before.established;
    return {
      established,
      closed: now.closed - this.#before.closed,
      lastChangeMs: now.lastChangeMs === this.#before.lastChangeMs ? 0 : now.lastChangeMs,
    };
  }

  monotonic(): number {
    return monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#maps.ofNetns.remove(new Uint8Array(new BigUint64Array([this.#place.cookie]).buffer));
    this.#maps.ofAddress.remove(addressKey(this.#place.address));
    this.#around.ended();
  }
}

const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
const addressKey = (address: string): Uint8Array => u32(packAddress(address));

export class PortPrograms implements HeldPorts, IdleSource {
  readonly #object: BpfObject;
  readonly #held: MappedArray;
  readonly #activity: MappedArray;
  readonly #slots: SlotMaps;
  readonly #slotsInUse = new Set<number>();
  readonly #cgroup: string;
  #countsDatagrams = false;

  private constructor(object: BpfObject, cgroup: string) {
    this.#object = object;
    this.#cgroup = cgroup;
    this.#held = object.mapArray("held_ports", portCount, 1);
    this.#activity = object.mapArray("port_activity", portCount, activityBytes);
    this.#slots = {
      activity: object.mapArray("slot_activity", slotCount, activityBytes),
      ofNetns: object.map("slot_of_netns"),
      ofAddress: object.map("slot_of_address"),
      heldPorts: object.map("held_slot_ports"),
    };
  }

  /**
   * Loads the programs and attaches them.
   * @param directory of the compiled objects. @param cgroup the engine's root in the v2 hierarchy
   * @throws AetherError of the family EbpfError
   */
  static load(directory: string, cgroup: string): PortPrograms {
    using socket = inetSocket(AF_INET);
    const cookie = netnsCookie(socket);
    const object = BpfObject.load(readBpfObject(`${directory}/cgroup.bpf.o`), (rodata) =>
      setConstants(rodata, cookie),
    );
    try {
      using root = openDirectory(cgroup);
      for (const program of ["held_bind4", "held_bind6", "count_connections"])
        object.attachCgroup(program, root);
      return new PortPrograms(object, cgroup);
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  mark(port: number, protocol: TransportProtocol): void {
    if (protocol === "udp") this.#countDatagrams();
    this.#held.view.setUint8(port * this.#held.stride, heldMarks[protocol]);
  }

  /** Attached with the first UDP function: it runs for every packet of every function. */
  #countDatagrams(): void {
    if (this.#countsDatagrams) return;
    using root = openDirectory(this.#cgroup);
    this.#object.attachCgroup("count_datagrams", root);
    this.#countsDatagrams = true;
  }

  unmark(port: number): void {
    this.#held.view.setUint8(port * this.#held.stride, 0);
  }

  read(port: number): PortActivity {
    return activityAt(this.#activity, port);
  }

  /**
   * The same for one instance with a network of its own: connections in its namespace are counted for it.
   * @throws AetherError AE_BPF_MAP_OPERATION_FAILED
   */
  instance(place: InstancePlace): InstancePrograms {
    let slot = 1;
    while (this.#slotsInUse.has(slot)) slot++;
    const made = new InstancePrograms(this.#slots, slot, place, {
      countDatagrams: () => this.#countDatagrams(),
      ended: () => this.#slotsInUse.delete(slot),
    });
    this.#slotsInUse.add(slot);
    return made;
  }

  monotonic(): number {
    return monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }
}

function activityAt({ view, stride }: MappedArray, index: number): PortActivity {
  const at = index * stride;
  return {
    established: view.getBigUint64(at, true),
    closed: view.getBigUint64(at + closedAt, true),
    lastChangeMs: Number(view.getBigUint64(at + lastChangeAt, true)) / 1e6,
  };
}

function setConstants(rodata: DataView, cookie: bigint): void {
  if (rodata.byteLength < cookieAt + 8 || rodata.getUint32(abiVersionAt, true) !== abiVersion) {
    throw new AetherError("AE_BPF_LOAD_FAILED", "the compiled BPF programs do not belong to this version", {
      hint: "Run `npm run setup` to build them again.",
    });
  }
  rodata.setBigUint64(cookieAt, cookie, true);
}
