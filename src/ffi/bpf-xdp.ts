/**
 * XDP programs on interfaces, by bpf_link: at most one program is there, nobody replaces it by accident, and a link that
 * is not pinned ends with its process. A program that is there already, whoever attached it and how, is never replaced.
 */
import { AetherError } from "../protocol/errors.ts";
import { linkProgramId, programInfo } from "./bpf-info.ts";
import { libbpf } from "./bpf-library.ts";
import type { BpfProgram } from "./bpf-program.ts";
import { Fd } from "./fd.ts";
import { interfaceIndex } from "./interfaces.ts";
import { checked, errno, errnoName, lastErrno, SyscallError } from "./libc.ts";

/** `auto`: native where the driver has it, else generic. */
export type XdpMode = "auto" | "native" | "generic";

/** Why a program was not attached; `reason` in the error's data. */
export type AttachReason = "NoSuchInterface" | "ForeignProgram" | "NotSupported" | "NoPermission" | "Refused";

/** What is attached to an interface. */
export interface AttachedXdp {
  readonly mode: "native" | "generic" | "offloaded";
  readonly programId: number;
}

const BPF_XDP = 37;
/** XDP_FLAGS_* (linux/if_link.h) */
const flags = { auto: 0, generic: 2, native: 4 } as const satisfies Record<XdpMode, number>;
/** struct bpf_xdp_query_opts up to attach_mode, and the XDP_ATTACHED_* it may hold. */
const query = { bytes: 32, nativeAt: 12, offloadedAt: 16, genericAt: 20 } as const;

/** A program on an interface. Closing it detaches, unless it was pinned. */
export class XdpLink implements Disposable {
  readonly interfaceName: string;
  readonly #fd: Fd;

  constructor(interfaceName: string, fd: Fd) {
    this.interfaceName = interfaceName;
    this.#fd = fd;
  }

  /** Id of the program it has attached. @throws SyscallError */
  get programId(): number {
    return linkProgramId(this.#fd);
  }

  /** Puts another program in the place of this one; no packet goes without. @throws SyscallError */
  swap(next: BpfProgram): void {
    checked(libbpf().updateLink(this.#fd.number, next.fd, null) as number, "BPF_LINK_UPDATE", next.name);
  }

  /** Gives it a name in a BPF file system: it outlives the process. @throws SyscallError */
  pin(path: string): void {
    checked(libbpf().pin(this.#fd.number, path) as number, "BPF_OBJ_PIN", path);
  }

  /** Detaches now, pinned or not. @throws SyscallError */
  detach(): void {
    checked(libbpf().detachLink(this.#fd.number) as number, "BPF_LINK_DETACH", this.interfaceName);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

/** @throws AetherError AE_BPF_ATTACH_FAILED with interface and reason */
export function attachXdp(program: BpfProgram, interfaceName: string, mode: XdpMode): XdpLink {
  const index = interfaceIndex(interfaceName);
  if (index === 0) throw attachError(program.name, interfaceName, mode, null, errno.ENODEV);
  const options = new DataView(new ArrayBuffer(16));
  options.setBigUint64(0, 16n, true);
  options.setUint32(8, flags[mode], true);
  const there = attachedXdp(index);
  const result =
    there === null ? (libbpf().createLink(program.fd, index, BPF_XDP, options) as number) : -errno.EBUSY;
  if (result >= 0) return new XdpLink(interfaceName, new Fd(result));
  throw attachError(program.name, interfaceName, mode, attachedXdp(index), -result);
}

/** @throws SyscallError; `null` when there is nothing of that name */
export function openPinnedXdp(path: string, interfaceName: string): XdpLink | null {
  const result = libbpf().openPin(path) as number;
  if (result >= 0) return new XdpLink(interfaceName, new Fd(result));
  const error = lastErrno();
  if (error === errno.ENOENT) return null;
  throw new SyscallError("BPF_OBJ_GET", error, path);
}

/** What is attached to an interface, by whichever way; `null` for nothing. @throws SyscallError */
export function attachedXdp(index: number): AttachedXdp | null {
  const options = new DataView(new ArrayBuffer(query.bytes));
  options.setBigUint64(0, BigInt(query.bytes), true);
  const result = libbpf().queryXdp(index, 0, options) as number;
  if (result < 0) throw new SyscallError("bpf_xdp_query", -result, `interface ${index}`);
  for (const [mode, at] of [
    ["offloaded", query.offloadedAt],
    ["native", query.nativeAt],
    ["generic", query.genericAt],
  ] as const) {
    const programId = options.getUint32(at, true);
    if (programId !== 0) return { mode, programId };
  }
  return null;
}

function reasonOf(error: number, there: AttachedXdp | null): AttachReason {
  if (there !== null || error === errno.EBUSY || error === errno.EEXIST) return "ForeignProgram";
  if (error === errno.ENODEV) return "NoSuchInterface";
  if (error === errno.EOPNOTSUPP) return "NotSupported";
  return error === errno.EPERM || error === errno.EACCES ? "NoPermission" : "Refused";
}

function attachError(
  program: string,
  interfaceName: string,
  mode: XdpMode,
  there: AttachedXdp | null,
  error: number,
): AetherError {
  const reason = reasonOf(error, there);
  const name = there === null ? null : (programInfo(there.programId)?.name ?? null);
  const words = {
    NoSuchInterface: ["there is no such interface", "`ip link` lists the interfaces."],
    ForeignProgram: [
      `another program is attached: ${name ?? "unknown"}${there === null ? "" : `, id ${there.programId}, ${there.mode}`}`,
      "Aether replaces no program of others. `aether xdp show` says whose it is; detach it first, or leave the interface out.",
    ],
    NotSupported: [
      `its driver has no ${mode === "auto" ? "" : `${mode} `}XDP`,
      "Use `mode: generic`, or `mode: auto`, which takes what the driver offers.",
    ],
    NoPermission: [errnoName(error), "Run as root: CAP_BPF and CAP_NET_ADMIN are needed."],
    Refused: [
      errnoName(error),
      "The driver refuses it, often for its MTU or its offloads: `mode: generic` asks nothing of it.",
    ],
  } as const satisfies Record<AttachReason, readonly [string, string]>;
  const [why, hint] = words[reason];
  return new AetherError(
    "AE_BPF_ATTACH_FAILED",
    `the XDP program ${program} cannot be attached to ${interfaceName}`,
    {
      why,
      hint,
      data: {
        interface: interfaceName,
        reason,
        mode,
        program,
        attached: name,
        attachedId: there?.programId ?? null,
      },
    },
  );
}
