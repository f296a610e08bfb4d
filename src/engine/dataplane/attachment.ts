/** The program on one interface, with that interface's counters. */
import { attachXdp, attachedXdp } from "../../ffi/bpf-xdp.ts";
import type { AttachedXdp, XdpLink, XdpMode } from "../../ffi/bpf-xdp.ts";
import { interfaceIndex } from "../../ffi/interfaces.ts";
import type { BpfObject, BpfSource, MappedArray } from "../../ffi/libbpf.ts";
import { AetherError } from "../../protocol/errors.ts";
import { readInterfaceCounters } from "./counters.ts";
import type { InterfaceCounters } from "./counters.ts";
import { loadXdpObject } from "./xdp-object.ts";
import type { SharedMaps } from "./xdp-object.ts";

/** Of the object; the first 15 characters are what `bpftool` and `aether xdp show` see. */
export const programName = "aether_ports";

export class Attachment implements Disposable {
  readonly name: string;
  readonly #link: XdpLink;
  readonly #counters: MappedArray;
  readonly #cpus: number;
  #object: BpfObject;
  #attached: AttachedXdp;

  private constructor(name: string, object: BpfObject, link: XdpLink, cpus: number) {
    this.name = name;
    this.#attached = attachedNow(name);
    this.#object = object;
    this.#link = link;
    this.#cpus = cpus;
    // Of the map itself, not of the object: it goes on when the object is replaced.
    this.#counters = object.map("interface_counters").map();
  }

  /** Takes over the object. @throws AetherError AE_BPF_ATTACH_FAILED */
  static attach(name: string, mode: XdpMode, object: BpfObject, cpus: number): Attachment {
    try {
      return new Attachment(name, object, attachXdp(object.program(programName), name, mode), cpus);
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /** Puts the program of another build in place; counters and ports stay, and no packet goes without. */
  swap(source: BpfSource, shared: SharedMaps): void {
    const counters = this.#object.map("interface_counters");
    const next = loadXdpObject(source, { ...shared, interface_counters: counters });
    try {
      this.#link.swap(next.program(programName));
    } catch (error) {
      next[Symbol.dispose]();
      throw error;
    }
    this.#object[Symbol.dispose]();
    this.#object = next;
    this.#attached = attachedNow(this.name);
  }

  /** As the kernel said when it was attached; that it is so still, `aether doctor` checks. */
  get attached(): AttachedXdp {
    return this.#attached;
  }

  counters(): InterfaceCounters {
    return readInterfaceCounters(this.name, this.#counters, this.#cpus);
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
    this.#counters[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }
}

function attachedNow(name: string): AttachedXdp {
  const found = attachedXdp(interfaceIndex(name));
  if (found !== null) return found;
  throw new AetherError("AE_INTERNAL", `the XDP program just attached to ${name} is not there`);
}
