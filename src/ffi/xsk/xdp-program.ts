/** The program that redirects packets to the sockets of an interface, its filter, and its map of sockets. */
import { fileURLToPath } from "node:url";
import { AetherError } from "../../protocol/errors.ts";
import { libbpf } from "../bpf-library.ts";
import type { MappedArray } from "../bpf-map.ts";
import { Fd } from "../fd.ts";
import { errnoName } from "../libc.ts";
import { BpfObject } from "../libbpf.ts";
import type { BpfMap } from "../libbpf.ts";
import type { AttachMode } from "./config.ts";
import { XdpSocketError } from "./errors.ts";
import { maxPacketBytes } from "./layout.ts";
import type { FrameLayout } from "./layout.ts";
import type { CompiledFilter } from "./filter.ts";

const objectPath = fileURLToPath(new URL("../../../build/bpf/xsk.bpf.o", import.meta.url));
const programName = "redirect_to_xsk";
/** That of `settings` in bpf/xsk.bpf.c. */
const abiVersion = 1;

const BPF_XDP = 37;
const attachFlags = { auto: 0, generic: 2, native: 4 } as const satisfies Record<AttachMode, number>;

/** Bits of a slot's flags. */
const filterFlags = { everything: 1, arp: 2, protocols: 4, ports: 8, addresses: 16 } as const;
/** Bytes of `struct filter_slot`, which are also the distance of elements. */
const slotBytes = 40;
const protocolsAt = 8;
const portCount = 65_536;

export class XdpProgram implements Disposable {
  readonly #object: BpfObject;
  readonly #link: Fd;
  readonly #sockets: BpfMap;
  readonly #filters: MappedArray;
  readonly #ports: MappedArray;
  readonly #addresses: BpfMap;
  #generation = 0;
  /** Entries of the generation in force, to be taken out with it. */
  #current: CompiledFilter | null = null;

  /**
   * Loads the program and attaches it to an interface of this thread's network namespace. Nothing matches yet.
   * @throws XdpSocketError QueueBusy where another program is attached, Permission, Unsupported
   * @throws AetherError AE_BPF_LOAD_FAILED, AE_BPF_VERIFICATION_FAILED
   */
  constructor(device: string, ifindex: number, mode: AttachMode, frames: FrameLayout) {
    using cleanup = new DisposableStack();
    this.#object = cleanup.use(
      BpfObject.load(objectPath, (rodata) => {
        if (rodata.getUint32(0, true) !== abiVersion) {
          throw new AetherError("AE_BPF_LOAD_FAILED", `${objectPath} does not belong to this version`, {
            hint: "Run `npm run setup`.",
          });
        }
        rodata.setUint32(4, maxPacketBytes(frames), true);
      }),
    );
    this.#sockets = this.#object.map("xsks_map");
    this.#filters = this.#object.mapArray("filters", 3, slotBytes);
    this.#ports = this.#object.mapArray("filter_ports", portCount, 4);
    this.#addresses = this.#object.map("filter_addresses");
    this.#link = attach(this.#object, device, ifindex, mode);
    cleanup.move();
  }

  /** From now on packets of the queue that match go to the socket. */
  addSocket(queue: number, fd: Fd): void {
    this.#sockets.update(key(queue), key(fd.number));
  }

  removeSocket(queue: number): void {
    this.#sockets.remove(key(queue));
  }

  /** Replaces the filter: what a packet meets is the old one or the new one, never a mixture. */
  setFilter(filter: CompiledFilter): void {
    const generation = (this.#generation + 1) >>> 0;
    const view = this.#filters.view;
    const slot = (1 + (generation & 1)) * this.#filters.stride;
    const { protocols, ports, addresses } = filter;
    for (let word = 0; word < 8; word++) view.setUint32(slot + protocolsAt + word * 4, 0, true);
    for (const protocol of protocols ?? []) {
      const at = slot + protocolsAt + (protocol >> 5) * 4;
      view.setUint32(at, view.getUint32(at, true) | (1 << (protocol & 31)), true);
    }
    for (const port of ports ?? []) this.#ports.view.setUint32(port * this.#ports.stride, generation, true);
    for (const address of addresses?.values() ?? []) this.#addresses.update(address, key(generation));
    const flags =
      (filter.everything ? filterFlags.everything : 0) |
      (filter.arp ? filterFlags.arp : 0) |
      (protocols === null ? 0 : filterFlags.protocols) |
      (ports === null ? 0 : filterFlags.ports) |
      (addresses === null ? 0 : filterFlags.addresses);
    view.setUint32(slot, flags, true);
    Atomics.store(new Int32Array(view.buffer, 0, 1), 0, generation | 0);
    this.#generation = generation;
    for (const [name, address] of this.#current?.addresses ?? []) {
      if (!addresses?.has(name)) this.#addresses.remove(address);
    }
    this.#current = filter;
  }

  /** Detaches: packets pass again. */
  [Symbol.dispose](): void {
    this.#link.close();
    this.#object[Symbol.dispose]();
  }
}

function key(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/** A link of its own, which goes with its descriptor and refuses an interface that has a program. */
function attach(object: BpfObject, device: string, ifindex: number, mode: AttachMode): Fd {
  /** `struct bpf_link_create_opts`: its size, then the flags of the attachment. */
  const options = new DataView(new ArrayBuffer(16));
  options.setBigUint64(0, 16n, true);
  options.setUint32(8, attachFlags[mode], true);
  const fd = libbpf().createLink(object.program(programName).fd, ifindex, BPF_XDP, options) as number;
  if (fd >= 0) return new Fd(fd);
  throw attachError(errnoName(-fd), device, mode);
}

function attachError(error: string, device: string, mode: AttachMode): XdpSocketError {
  const what = `the redirecting program cannot be attached to ${device}`;
  const details = { why: error, data: { device, mode, errno: error } };
  switch (error) {
    case "EBUSY":
    case "EEXIST":
      return new XdpSocketError("QueueBusy", what, {
        ...details,
        hint: `Another XDP program is attached: see \`ip link show ${device}\`.`,
      });
    case "EPERM":
    case "EACCES":
      return new XdpSocketError("Permission", what, {
        ...details,
        hint: "CAP_NET_ADMIN and CAP_BPF are needed.",
      });
    default:
      return new XdpSocketError("Unsupported", what, {
        ...details,
        hint: 'The driver may lack native XDP: try attach("generic").',
      });
  }
}
