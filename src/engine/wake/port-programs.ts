/** The kernel programs of the wake path (bpf/cgroup.bpf.c), attached once to the engine's root cgroup. */
import { readBpfObject } from "../../ffi/bpf-file.ts";
import { openDirectory } from "../../ffi/fd.ts";
import { BpfObject } from "../../ffi/libbpf.ts";
import type { MappedArray } from "../../ffi/libbpf.ts";
import { AF_INET, inetSocket, netnsCookie } from "../../ffi/socket.ts";
import { monotonicMs } from "../monotonic.ts";
import type { TransportProtocol } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { HeldPorts } from "./held-listeners.ts";
import type { IdleSource, PortActivity } from "./idle-monitor.ts";

const portCount = 65_536;
/** Of bpf/cgroup.bpf.c: abi_version, then host_netns_cookie at its natural alignment. */
const abiVersion = 2;
const abiVersionAt = 0;
const cookieAt = 8;
/** HELD_TCP, HELD_UDP */
const heldMarks = { tcp: 1, udp: 2 } as const satisfies Record<TransportProtocol, number>;
/** struct port_activity_entry */
const activityBytes = 24;
const closedAt = 8;
const lastChangeAt = 16;

export class PortPrograms implements HeldPorts, IdleSource {
  readonly #object: BpfObject;
  readonly #held: MappedArray;
  readonly #activity: MappedArray;
  readonly #cgroup: string;
  #countsDatagrams = false;

  private constructor(object: BpfObject, cgroup: string) {
    this.#object = object;
    this.#cgroup = cgroup;
    this.#held = object.mapArray("held_ports", portCount, 1);
    this.#activity = object.mapArray("port_activity", portCount, activityBytes);
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
    const at = port * this.#activity.stride;
    const { view } = this.#activity;
    return {
      established: view.getBigUint64(at, true),
      closed: view.getBigUint64(at + closedAt, true),
      lastChangeMs: Number(view.getBigUint64(at + lastChangeAt, true)) / 1e6,
    };
  }

  monotonic(): number {
    return monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }
}

function setConstants(rodata: DataView, cookie: bigint): void {
  if (rodata.byteLength < cookieAt + 8 || rodata.getUint32(abiVersionAt, true) !== abiVersion) {
    throw new AetherError("AE_BPF_LOAD_FAILED", "the compiled BPF programs do not belong to this version", {
      hint: "Run `npm run setup` to build them again.",
    });
  }
  rodata.setBigUint64(cookieAt, cookie, true);
}
