/** One AF_XDP socket of the kernel, in the thread that opened it or in one that it was lent to. */
import { Epoll, epollIn } from "../epoll.ts";
import { errno, lastErrno, libc } from "../libc.ts";
import { Fd } from "../fd.ts";
import { socketError } from "../socket.ts";
import { XdpSocketError } from "./errors.ts";
import { readStatistics } from "./kernel-calls.ts";
import { ringNames } from "./layout.ts";
import type { RingMemory, RingName, RingOffsets } from "./layout.ts";
import { MappedRegion } from "./mapped-region.ts";
import { kickResult } from "./port.ts";
import type { KernelPortDescription, KickResult, XskPort, XskStatistics } from "./port.ts";

/** `send` of nothing is the `sendto` of AF_XDP, with two arguments fewer. */
const cSend = libc.func("int64 send(int, void*, size_t, int)");
const cRecv = libc.func("int64 recv(int, void*, size_t, int)");
const cPoll = libc.func("int poll(void*, ulong, int)");

const MSG_DONTWAIT = 0x40;
const POLLIN = 0x01;
const POLLERR = 0x08;
const POLLNVAL = 0x20;
/** Not in the table of libc.ts (asm-generic/errno.h). */
const ENOBUFS = 105;

/** A ring and the memory it is in. */
export interface RingRegion {
  readonly region: MappedRegion;
  readonly entries: number;
  readonly offsets: RingOffsets;
}

export interface KernelPortParts {
  readonly device: string;
  readonly queue: number;
  readonly fd: Fd;
  readonly isZeroCopy: boolean;
  readonly usesNeedWakeup: boolean;
  readonly umem: MappedRegion;
  readonly rings: Readonly<Record<RingName, RingRegion>>;
}

export class KernelPort implements XskPort {
  readonly queue: number;
  readonly isZeroCopy: boolean;
  readonly usesNeedWakeup: boolean;
  readonly #parts: KernelPortParts;
  /** Of the hold this port was lent; null where it was opened. */
  readonly #returned: SharedArrayBuffer | null;
  /** `struct pollfd`: descriptor, what is asked, what is so. */
  #pollEntries = new DataView(new ArrayBuffer(8));
  #epoll: Epoll | null = null;
  /** Reading a socket's error clears it. */
  #isGone = false;
  /** Those who wait in `ready`. */
  #waiting: (() => void)[] = [];

  constructor(parts: KernelPortParts, returned: SharedArrayBuffer | null = null) {
    this.#parts = parts;
    this.#returned = returned;
    this.queue = parts.queue;
    this.isZeroCopy = parts.isZeroCopy;
    this.usesNeedWakeup = parts.usesNeedWakeup;
  }

  get umem(): ArrayBuffer {
    return this.#parts.umem.buffer;
  }

  get rx(): RingMemory {
    return this.#ring("rx");
  }

  get tx(): RingMemory {
    return this.#ring("tx");
  }

  get fill(): RingMemory {
    return this.#ring("fill");
  }

  get completion(): RingMemory {
    return this.#ring("completion");
  }

  #ring(name: RingName): RingMemory {
    const { region, entries, offsets } = this.#parts.rings[name];
    return { buffer: region.buffer, size: entries, offsets };
  }

  kick(): KickResult {
    if ((cSend(this.#parts.fd.number, null, 0, MSG_DONTWAIT) as number) >= 0) return kickResult.done;
    const error = lastErrno();
    // EAGAIN: 32 were taken and more are there, or the completion ring is full. The others pass by themselves.
    if (error === errno.EAGAIN || error === errno.EBUSY || error === ENOBUFS || error === errno.EINTR)
      return kickResult.again;
    return kickResult.gone;
  }

  wakeReceive(): void {
    cRecv(this.#parts.fd.number, null, 0, MSG_DONTWAIT);
  }

  wait(timeoutMs: number): boolean {
    return this.waitAmong([this], timeoutMs);
  }

  /** @param ports of the kernel, this one among them */
  waitAmong(ports: readonly XskPort[], timeoutMs: number): boolean {
    if (this.#pollEntries.byteLength < ports.length * 8)
      this.#pollEntries = new DataView(new ArrayBuffer(ports.length * 8));
    const entries = this.#pollEntries;
    for (let at = 0; at < ports.length; at++) {
      const port = ports[at];
      // poll leaves out an entry of a negative number.
      entries.setInt32(at * 8, port instanceof KernelPort ? port.#parts.fd.number : -1, true);
      entries.setInt16(at * 8 + 4, POLLIN, true);
      entries.setInt16(at * 8 + 6, 0, true);
    }
    const count = cPoll(entries, ports.length, Math.ceil(timeoutMs)) as number;
    let readable = false;
    for (let at = 0; at < ports.length; at++) {
      const port = ports[at];
      if (!(port instanceof KernelPort)) continue;
      const events = entries.getInt16(at * 8 + 6, true);
      if ((events & (POLLERR | POLLNVAL)) !== 0) throw port.#gone();
      // An interface that is removed leaves its error at the socket, and poll says nothing of it (xsk_notifier, xsk_poll).
      if (count <= 0 && (port.#isGone || socketError(port.#parts.fd) !== 0)) throw port.#gone();
      readable ||= (events & POLLIN) !== 0;
    }
    return readable;
  }

  async ready(timeoutMs: number): Promise<boolean> {
    if (this.wait(0)) return true;
    this.#epoll ??= new Epoll(() => this.#wake());
    // Level-triggered: watched only while somebody waits.
    if (this.#waiting.length === 0) this.#epoll.add(this.#parts.fd, epollIn, () => this.#wake());
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
    this.#waiting = this.#waiting.filter((other) => other !== resolve);
    if (!this.#parts.fd.isOpen) return false;
    if (this.#waiting.length === 0) this.#epoll?.remove(this.#parts.fd);
    return this.wait(0);
  }

  interrupt(): void {
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#parts.fd.isOpen) this.#epoll?.remove(this.#parts.fd);
    for (const resolve of waiting) resolve();
  }

  statistics(): XskStatistics {
    return readStatistics(this.#parts.fd);
  }

  lend(): KernelPortDescription {
    const { device, queue, fd, isZeroCopy, usesNeedWakeup, umem, rings } = this.#parts;
    const ring = (name: RingName) => ({
      ...rings[name].region.lend(),
      entries: rings[name].entries,
      offsets: rings[name].offsets,
    });
    return {
      kind: "kernel",
      device,
      queue,
      // The number stays open when the Fd object is dropped: only `close` closes.
      fd: fd.duplicate().number,
      isZeroCopy,
      usesNeedWakeup,
      returned: new SharedArrayBuffer(4),
      umem: umem.lend(),
      rings: { rx: ring("rx"), tx: ring("tx"), fill: ring("fill"), completion: ring("completion") },
    };
  }

  /** Takes up a hold. */
  static borrow(description: KernelPortDescription): KernelPort {
    const { device, queue, fd, isZeroCopy, usesNeedWakeup, returned, umem, rings } = description;
    const ring = (name: RingName): RingRegion => ({ ...rings[name], region: new MappedRegion(rings[name]) });
    return new KernelPort(
      {
        device,
        queue,
        fd: new Fd(fd),
        isZeroCopy,
        usesNeedWakeup,
        umem: new MappedRegion(umem),
        rings: { rx: ring("rx"), tx: ring("tx"), fill: ring("fill"), completion: ring("completion") },
      },
      returned,
    );
  }

  /** Lets go of a hold whose thread is gone, or that none has taken up. Harmless when its thread has closed it. */
  static giveBack(description: KernelPortDescription): void {
    if (Atomics.exchange(new Int32Array(description.returned), 0, 1) === 1) return;
    new Fd(description.fd).close();
    for (const name of ringNames) MappedRegion.letGo(description.rings[name]);
    MappedRegion.letGo(description.umem);
  }

  #gone(): XdpSocketError {
    this.#isGone = true;
    const { device, queue } = this.#parts;
    return new XdpSocketError("DeviceGone", `queue ${queue} of ${device} cannot be used any more`, {
      why: "the interface was removed or taken down",
      data: { device, queue },
    });
  }

  /** Closes the socket before its memory goes; the kernel has pinned what it still needs. */
  [Symbol.dispose](): void {
    const { fd, umem, rings } = this.#parts;
    if (!fd.isOpen) return;
    if (this.#returned !== null) Atomics.store(new Int32Array(this.#returned), 0, 1);
    if (this.#waiting.length > 0) this.#wake();
    this.#epoll?.[Symbol.dispose]();
    this.#epoll = null;
    fd.close();
    for (const name of ringNames) rings[name].region[Symbol.dispose]();
    umem[Symbol.dispose]();
  }
}
