/** One loaded program: a descriptor for attaching it, and a run on a packet of the caller's (BPF_PROG_RUN). */
import koffi from "koffi";
import { libbpf } from "./bpf-library.ts";
import { Fd } from "./fd.ts";
import { lastErrno, SyscallError } from "./libc.ts";

/** Outcome of a run. */
export interface ProgramRun {
  /** What the program returned, as XDP_PASS. */
  readonly verdict: number;
  /** The packet as the program left it. */
  readonly data: Uint8Array;
  /** Mean time of one run, the kernel's loop around it included. */
  readonly durationNs: number;
}

/** Verdicts of an XDP program (linux/bpf.h). */
export const xdpVerdict = { aborted: 0, drop: 1, pass: 2, transmit: 3, redirect: 4 } as const;

/** struct bpf_test_run_opts of libbpf 1.0, and struct xdp_md. */
const optionsBytes = 80;
const contextBytes = 24;
/** Room for what a program may add. */
const growthBytes = 256;

/** It outlives the object it came from. */
export class BpfProgram implements Disposable {
  readonly name: string;
  readonly #fd: Fd;

  /** @param fd of the object: a duplicate is taken */
  constructor(name: string, fd: number) {
    this.name = name;
    this.#fd = new Fd(fd).duplicate();
  }

  /** For a system call made at once. */
  get fd(): number {
    return this.#fd.number;
  }

  /**
   * Runs an XDP program on a frame, without an interface and without sending anything.
   * @param repeat for measurements: the program sees its own output from the second time on
   * @param ingress interface that the frame seems to have come in by; 0: the loopback's
   * @throws SyscallError, EINVAL for a frame the kernel does not take (below 14 bytes, above a page)
   */
  run(frame: Uint8Array, repeat = 1, ingress = 0): ProgramRun {
    using memory = new Scratch();
    const outputBytes = frame.length + growthBytes;
    const output = memory.take(outputBytes);
    const options = memory.take(optionsBytes);
    const raw = options.view;
    raw.setBigUint64(0, BigInt(optionsBytes), true);
    raw.setBigUint64(8, memory.put(frame), true);
    raw.setBigUint64(16, output.address, true);
    raw.setUint32(24, frame.length, true);
    raw.setUint32(28, outputBytes, true);
    if (ingress !== 0) {
      const context = memory.take(contextBytes);
      context.view.setUint32(4, frame.length, true); // data_end
      context.view.setUint32(12, ingress, true); // ingress_ifindex
      raw.setBigUint64(32, context.address, true);
      raw.setUint32(48, contextBytes, true);
    }
    raw.setInt32(60, repeat, true);
    const result = libbpf().runProgram(this.fd, options.address) as number;
    if (result < 0) throw new SyscallError("BPF_PROG_RUN", lastErrno(), this.name);
    const size = raw.getUint32(28, true);
    return {
      verdict: raw.getUint32(56, true),
      data: new Uint8Array(output.view.buffer.slice(0, size)),
      durationNs: raw.getUint32(64, true),
    };
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

/** Native memory of one call: structures that point to each other cannot be made of JavaScript's buffers. */
class Scratch implements Disposable {
  readonly #blocks: { readonly address: bigint; readonly memory: ArrayBuffer }[] = [];

  take(bytes: number): { readonly address: bigint; readonly view: DataView<ArrayBuffer> } {
    const address = koffi.alloc("uint8_t", bytes) as bigint; // zeroed
    const memory = koffi.view(address, bytes);
    this.#blocks.push({ address, memory });
    return { address, view: new DataView(memory) };
  }

  put(bytes: Uint8Array): bigint {
    const { address, view } = this.take(Math.max(1, bytes.length));
    new Uint8Array(view.buffer).set(bytes);
    return address;
  }

  [Symbol.dispose](): void {
    for (const { address, memory } of this.#blocks.splice(0)) {
      memory.transfer();
      koffi.free(address);
    }
  }
}
