/** The program on one interface. */
import { attachXdp, attachedXdp } from "../../ffi/bpf-xdp.ts";
import type { AttachedXdp, XdpLink, XdpMode } from "../../ffi/bpf-xdp.ts";
import { interfaceIndex } from "../../ffi/interfaces.ts";
import type { BpfObject } from "../../ffi/libbpf.ts";
import { AetherError } from "../../protocol/errors.ts";

/** Of the object, and what `bpftool` and `aether xdp show` see. */
export const programName = "aether_ports";

export class Attachment implements Disposable {
  readonly name: string;
  readonly #link: XdpLink;
  #object: BpfObject;
  #attached: AttachedXdp;

  /** Takes over the object. @throws AetherError AE_BPF_ATTACH_FAILED */
  constructor(name: string, mode: XdpMode, object: BpfObject) {
    this.name = name;
    this.#object = object;
    try {
      this.#link = attachXdp(object.program(programName), name, mode);
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
    this.#attached = attachedNow(name);
  }

  /** Puts the program of another object in place, which is taken over; no packet goes without. */
  swap(next: BpfObject): void {
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

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }
}

function attachedNow(name: string): AttachedXdp {
  const found = attachedXdp(interfaceIndex(name));
  if (found !== null) return found;
  throw new AetherError("AE_INTERNAL", `the XDP program just attached to ${name} is not there`);
}
