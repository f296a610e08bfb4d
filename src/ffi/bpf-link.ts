/** An attachment of a BPF program. It does not need the object any more, and ends with the process at the latest. */
import { AetherError } from "../protocol/errors.ts";
import { libbpf } from "./bpf-library.ts";
import type { Pointer } from "./bpf-library.ts";
import type { Fd } from "./fd.ts";
import { errnoName, lastErrno } from "./libc.ts";

export class BpfLink implements Disposable {
  readonly program: string;
  #link: Pointer;

  constructor(program: string, link: bigint) {
    this.program = program;
    this.#link = link;
  }

  get isAttached(): boolean {
    return this.#link !== null;
  }

  /** Detaches. */
  [Symbol.dispose](): void {
    const link = this.#link;
    this.#link = null;
    if (link !== null) libbpf().destroyLink(link);
  }
}

/**
 * Attaches a program to a cgroup, beside whatever others have attached (links are BPF_F_ALLOW_MULTI always); it is in
 * force for all cgroups below, those made later too.
 * @throws AetherError AE_BPF_ATTACH_FAILED
 */
export function attachToCgroup(object: string, name: string, program: Pointer, cgroup: Fd): BpfLink {
  const link = program === null ? null : (libbpf().attachCgroup(program, cgroup.number) as Pointer);
  if (link !== null) return new BpfLink(name, link);
  throw new AetherError(
    "AE_BPF_ATTACH_FAILED",
    `the BPF program ${name} cannot be attached to the engine's cgroup`,
    {
      why: program === null ? `${object} does not have it` : errnoName(lastErrno()),
      hint: "A cgroup v2 hierarchy, CAP_BPF and CAP_NET_ADMIN are needed; `aether doctor` checks them.",
      data: { object, program: name },
    },
  );
}
