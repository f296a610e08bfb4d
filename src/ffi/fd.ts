/** File descriptors as handles: closed once, refused after that. */
import { checked, errno, lastErrno, libc, SyscallError } from "./libc.ts";

const cClose = libc.func("int close(int)");
const cRead = libc.func("int64 read(int, void*, size_t)");
const cWrite = libc.func("int64 write(int, void*, size_t)");
const cLseek = libc.func("int64 lseek(int, int64, int)");
const cFcntl = libc.func("int fcntl(int, int, ...)");
const cFchown = libc.func("int fchown(int, uint, uint)");
const cOpen = libc.func("int open(const char*, int, ...)");
const cPipe2 = libc.func("int pipe2(void*, int)");

const F_DUPFD_CLOEXEC = 1030;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_DIRECTORY = 0o200000;

/** An open descriptor. `using` closes it; using it after that is a defect and throws. */
export class Fd implements Disposable {
  #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  /** The number, for a system call made at once. */
  get number(): number {
    if (this.#number < 0) throw new Error("descriptor used after it was closed");
    return this.#number;
  }

  get isOpen(): boolean {
    return this.#number >= 0;
  }

  /** A second descriptor of the same open file, close-on-exec. */
  duplicate(): Fd {
    return new Fd(checked(cFcntl(this.number, F_DUPFD_CLOEXEC, "int", 0) as number, "fcntl"));
  }

  setNonBlocking(on = true): void {
    const flags = checked(cFcntl(this.number, F_GETFL, "int", 0) as number, "fcntl");
    const next = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    checked(cFcntl(this.number, F_SETFL, "int", next) as number, "fcntl");
  }

  /** Reads what is there. `null`: nothing just now (EAGAIN). 0: end of file. */
  read(into: Uint8Array): number | null {
    const got = Number(cRead(this.number, into, into.length));
    if (got >= 0) return got;
    const error = lastErrno();
    if (error === errno.EAGAIN || error === errno.EINTR) return null;
    throw new SyscallError("read", error);
  }

  /** Writes what fits. `null`: no room just now (EAGAIN). */
  write(from: Uint8Array): number | null {
    const put = Number(cWrite(this.number, from, from.length));
    if (put >= 0) return put;
    const error = lastErrno();
    if (error === errno.EAGAIN || error === errno.EINTR) return null;
    throw new SyscallError("write", error);
  }

  /** Back to the start of a file, as poll on kernfs files wants it before the next wait. */
  rewind(): void {
    cLseek(this.number, 0, 0);
    cRead(this.number, new Uint8Array(64), 64);
  }

  /** Changes the owner; on a socket this is the uid that SO_REUSEPORT compares (net/socket.c, sockfs_setattr). */
  chown(uid: number): void {
    checked(cFchown(this.number, uid, 0xffffffff) as number, "fchown");
  }

  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    cClose(number);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens a folder, to be handed to another process. */
export function openDirectory(path: string): Fd {
  return new Fd(checked(cOpen(path, O_DIRECTORY | O_CLOEXEC, "int", 0) as number, "open", path));
}

/** Opens a file for writing (no creation), close-on-exec: cgroup and proc files. */
export function openForWriting(path: string): Fd {
  return new Fd(checked(cOpen(path, 1 | O_CLOEXEC, "int", 0) as number, "open", path));
}

/** Opens for reading, close-on-exec. */
export function openForReading(path: string): Fd {
  return new Fd(checked(cOpen(path, O_CLOEXEC, "int", 0) as number, "open", path));
}

/** A pipe, close-on-exec; the read end does not block. */
export function makePipe(): { read: Fd; write: Fd } {
  const pair = new Int32Array(2);
  checked(cPipe2(pair, O_CLOEXEC) as number, "pipe2");
  const read = new Fd(pair[0] ?? -1);
  read.setNonBlocking();
  return { read, write: new Fd(pair[1] ?? -1) };
}

const cPoll = libc.func("int poll(void*, ulong, int)");
const POLLIN = 1;

/** Whether a read or accept would find something right now. */
export function isReadable(fd: Fd): boolean {
  const entry = new DataView(new ArrayBuffer(8));
  entry.setInt32(0, fd.number, true);
  entry.setInt16(4, POLLIN, true);
  return (cPoll(entry, 1, 0) as number) > 0 && (entry.getInt16(6, true) & POLLIN) !== 0;
}
