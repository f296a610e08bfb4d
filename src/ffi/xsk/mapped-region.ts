/** Memory mapped into the process that several threads hold; the last to let go unmaps it. */
import koffi from "koffi";
import { lastErrno, libc, SyscallError } from "../libc.ts";
import type { Pointer } from "../bpf-library.ts";
import type { MappedMemory } from "./port.ts";

const cMmap = libc.func("void* mmap(void*, size_t, int, int, int, int64)");
const cMunmap = libc.func("int munmap(void*, size_t)");

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_POPULATE = 0x8000;
const MAP_HUGETLB = 0x4_0000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

export class MappedRegion implements Disposable {
  readonly #memory: MappedMemory;
  readonly #holders: Int32Array;
  readonly #buffer: ArrayBuffer;
  #held = true;

  /** @param memory a hold on it passes to this object */
  constructor(memory: MappedMemory) {
    this.#memory = memory;
    this.#holders = new Int32Array(memory.holders);
    this.#buffer = koffi.view(memory.address, memory.sizeBytes);
  }

  /** A ring or other memory of a descriptor. @throws SyscallError */
  static ofFd(fd: number, sizeBytes: number, offset: bigint): MappedRegion {
    return map(sizeBytes, MAP_SHARED | MAP_POPULATE, fd, offset);
  }

  /** Memory of our own, page-aligned; in huge pages the size is rounded up to them. @throws SyscallError */
  static anonymous(sizeBytes: number, hugePages: boolean): MappedRegion {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | (hugePages ? MAP_HUGETLB : MAP_POPULATE);
    const hugePage = 2 * 1024 * 1024;
    return map(hugePages ? Math.ceil(sizeBytes / hugePage) * hugePage : sizeBytes, flags, -1, 0n);
  }

  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  get address(): bigint {
    return this.#memory.address;
  }

  /** One more hold, for another thread or object. */
  lend(): MappedMemory {
    if (!this.#held) throw new Error("mapped memory used after it was let go");
    Atomics.add(this.#holders, 0, 1);
    return this.#memory;
  }

  /** Lets go of a hold that was never taken up. */
  static letGo(memory: MappedMemory): void {
    if (Atomics.sub(new Int32Array(memory.holders), 0, 1) === 1) cMunmap(memory.address, memory.sizeBytes);
  }

  [Symbol.dispose](): void {
    if (!this.#held) return;
    this.#held = false;
    // Detached first: a late reader of this thread gets an exception, not a fault that ends the process.
    this.#buffer.transfer();
    MappedRegion.letGo(this.#memory);
  }
}

function map(sizeBytes: number, flags: number, fd: number, offset: bigint): MappedRegion {
  const address = cMmap(null, sizeBytes, PROT_READ_WRITE, flags, fd, offset) as Pointer;
  if (address === null || address === MAP_FAILED) throw new SyscallError("mmap", lastErrno());
  const holders = new SharedArrayBuffer(4);
  new Int32Array(holders)[0] = 1;
  return new MappedRegion({ address, sizeBytes, holders });
}
