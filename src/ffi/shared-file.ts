/** A file in memory-backed storage, mapped by the one thread that writes it. */
import { constants } from "node:fs";
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";
import { Fd } from "./fd.ts";
import { checked, errno, errnoName, lastErrno, libc, SyscallError } from "./libc.ts";

const cOpen = libc.func("int open(const char*, int, ...)");
const cFchmod = libc.func("int fchmod(int, uint)");
const cFallocate = libc.func("int posix_fallocate(int, int64, int64)");
const cMmap = libc.func("void* mmap(void*, size_t, int, int, int, int64)");
const cMunmap = libc.func("int munmap(void*, size_t)");

const O_CLOEXEC = 0o2000000;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
/** Ours alone. */
const mode = 0o600;

/** A mapped file. Disposing unmaps it; the file stays, and so do the mappings of others. */
export class SharedFile implements Disposable {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #buffer: ArrayBuffer;
  #address: bigint | null;

  private constructor(path: string, sizeBytes: number, address: bigint) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#address = address;
    this.#buffer = koffi.view(address, sizeBytes);
  }

  /**
   * Makes a file that must not be there yet, 0600, its memory reserved: without that a full file system would show as
   * SIGBUS at a later write. @throws AetherError AE_SHM_CREATE_FAILED, AE_SHM_MAP_FAILED
   */
  static create(path: string, sizeBytes: number): SharedFile {
    // O_NOFOLLOW comes with O_EXCL (open(2)): the folder is writable for everybody.
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | O_CLOEXEC;
    try {
      using fd = new Fd(checked(cOpen(path, flags, "int", mode) as number, "open", path));
      checked(cFchmod(fd.number, mode) as number, "fchmod", path);
      // Returns the error instead of setting errno (posix_fallocate(3)).
      const reserved = cFallocate(fd.number, 0, sizeBytes) as number;
      if (reserved !== 0) throw new SyscallError("posix_fallocate", reserved, path);
      return new SharedFile(path, sizeBytes, mapShared(path, fd, sizeBytes));
    } catch (error) {
      throw error instanceof SyscallError ? createFailed(path, sizeBytes, error) : error;
    }
  }

  /** The bytes. After disposal a late user gets a TypeError, not a fault that ends the process. */
  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  [Symbol.dispose](): void {
    if (this.#address === null) return;
    this.#buffer.transfer();
    cMunmap(this.#address, this.sizeBytes);
    this.#address = null;
  }
}

function mapShared(path: string, fd: Fd, sizeBytes: number): bigint {
  const address = cMmap(null, sizeBytes, PROT_READ_WRITE, MAP_SHARED, fd.number, 0) as bigint | null;
  if (address !== null && address !== MAP_FAILED) return address;
  throw new AetherError("AE_SHM_MAP_FAILED", `${path} cannot be mapped`, {
    why: errnoName(lastErrno()),
    data: { path, sizeBytes },
  });
}

function createFailed(path: string, sizeBytes: number, error: SyscallError): AetherError {
  return new AetherError("AE_SHM_CREATE_FAILED", `${path} cannot be made`, {
    why: error.message,
    hint:
      error.errno === errno.ENOSPC
        ? `Make room in its file system: ${Math.ceil(sizeBytes / 1024)} KiB are needed.`
        : "Its folder must be writable; the engine runs as root.",
    data: { path, sizeBytes, errno: error.code },
    cause: error,
  });
}
