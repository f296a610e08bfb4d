/** Shared memory without a name in the file system: memfds, sealed in size, and their mappings. */
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";
import { Fd } from "./fd.ts";
import { errnoName, lastErrno, libc } from "./libc.ts";

const cMemfdCreate = libc.func("int memfd_create(const char*, uint)");
const cFtruncate = libc.func("int ftruncate(int, int64)");
const cFchmod = libc.func("int fchmod(int, uint)");
const cFcntl = libc.func("int fcntl(int, int, ...)");
const cMmap = libc.func("void* mmap(void*, size_t, int, int, int, int64)");
const cMunmap = libc.func("int munmap(void*, size_t)");

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
/** memfd_create(2): the name is at most 249 bytes. */
const maxNameBytes = 249;

/**
 * Makes a memfd of exactly `sizeBytes`, zeroed, close-on-exec, readable and writable by its owner alone. Its size is
 * sealed: a peer that could shrink it would kill whoever has it mapped with SIGBUS (fcntl(2), F_SEAL_SHRINK).
 * @throws AetherError AE_SHM_CREATE_FAILED
 */
export function createMemfd(name: string, sizeBytes: number): Fd {
  const refuse = (step: string, why: string): AetherError =>
    new AetherError("AE_SHM_CREATE_FAILED", `shared memory ${name} could not be made`, {
      why: `${step}: ${why}`,
      hint: "Free memory, or raise the limit on open files.",
      data: { name, sizeBytes },
    });
  if (Buffer.byteLength(name) > maxNameBytes)
    throw refuse("memfd_create", `a name has at most ${maxNameBytes} bytes`);
  const number = cMemfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) as number;
  if (number < 0) throw refuse("memfd_create", errnoName(lastErrno()));
  const fd = new Fd(number);
  const steps: [string, () => number][] = [
    ["ftruncate", () => cFtruncate(number, sizeBytes) as number],
    ["fchmod", () => cFchmod(number, 0o600) as number],
    [
      "F_ADD_SEALS",
      () => cFcntl(number, F_ADD_SEALS, "int", F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) as number,
    ],
  ];
  for (const [step, run] of steps) {
    if (run() >= 0) continue;
    const why = errnoName(lastErrno());
    fd.close();
    throw refuse(step, why);
  }
  return fd;
}

/** Memory shared with another process. Ends with `using`; its views are detached before the memory goes. */
export class SharedMapping implements Disposable {
  readonly #pointer: bigint;
  #memory: ArrayBuffer;

  private constructor(pointer: bigint, memory: ArrayBuffer) {
    this.#pointer = pointer;
    this.#memory = memory;
  }

  /**
   * Maps the first `sizeBytes` of a file of at least that size. @throws AetherError AE_SHM_MAP_FAILED
   */
  static of(fd: Fd, sizeBytes: number): SharedMapping {
    const pointer = cMmap(null, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.number, 0) as bigint | null;
    // MAP_FAILED is (void *)-1.
    if (pointer === null || BigInt.asIntN(64, koffi.address(pointer)) === -1n) {
      throw new AetherError("AE_SHM_MAP_FAILED", "shared memory could not be mapped", {
        why: errnoName(lastErrno()),
        hint: "The machine is out of memory or of address space.",
        data: { sizeBytes },
      });
    }
    return new SharedMapping(pointer, koffi.view(pointer, sizeBytes));
  }

  /** The memory itself, no copy. Empty once the mapping is disposed of. */
  get memory(): ArrayBuffer {
    return this.#memory;
  }

  get isOpen(): boolean {
    return this.#memory.byteLength > 0;
  }

  [Symbol.dispose](): void {
    if (!this.isOpen) return;
    const sizeBytes = this.#memory.byteLength;
    // Every view made of it has length 0 from here on: a late access throws or reads nothing, and faults nowhere.
    this.#memory.transfer();
    this.#memory = new ArrayBuffer(0);
    cMunmap(this.#pointer, sizeBytes);
  }
}
