/**
 * A BPF ring buffer read in our own memory, without a system call or a callback from C for each record. Layout and
 * rules: kernel/bpf/ringbuf.c; the consumer's position is ours to write, the rest is read-only. The data is mapped
 * twice in a row, so that no record is ever split.
 */
import koffi from "koffi";
import type { BpfMap } from "./bpf-map.ts";
import { Fd } from "./fd.ts";
import { errnoName, lastErrno, libc } from "./libc.ts";
import { mapError, mapMemory } from "./bpf-map.ts";

const cMunmap = libc.func("int munmap(void*, size_t)");
const cSysconf = libc.func("int64 sysconf(int)");
const SC_PAGESIZE = 30;
const PROT_READ = 1;
const PROT_READ_WRITE = 3;

const headerBytes = 8;
const busy = 0x8000_0000;
const discarded = 0x4000_0000;
/** Records taken at one go; what is left makes the descriptor readable again. */
const maxRecords = 256;

export class BpfRing implements Disposable {
  /** Readable while records wait. */
  readonly fd: Fd;
  readonly #sizeBytes: number;
  readonly #pageBytes: number;
  readonly #mapped: { readonly address: bigint; readonly memory: ArrayBuffer; readonly bytes: number }[] = [];
  readonly #consumed: BigUint64Array;
  readonly #produced: BigUint64Array;
  readonly #data: ArrayBuffer;
  readonly #lengths: Uint32Array;

  /** @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  constructor(map: BpfMap) {
    this.#sizeBytes = map.shape.entries;
    this.#pageBytes = Number(cSysconf(SC_PAGESIZE));
    this.fd = new Fd(map.fd).duplicate();
    try {
      const { name } = map.shape;
      this.#consumed = new BigUint64Array(this.#map(name, PROT_READ_WRITE, this.#pageBytes, 0), 0, 1);
      const rest = this.#map(name, PROT_READ, this.#pageBytes + 2 * this.#sizeBytes, this.#pageBytes);
      this.#produced = new BigUint64Array(rest, 0, 1);
      this.#data = rest;
      this.#lengths = new Uint32Array(rest);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #map(name: string, protection: number, bytes: number, offset: number): ArrayBuffer {
    const address = mapMemory(this.fd, protection, bytes, offset);
    if (address === null) throw mapError(name, "mapped", errnoName(lastErrno()));
    const memory = koffi.view(address, bytes);
    this.#mapped.push({ address, memory, bytes });
    return memory;
  }

  /**
   * Hands over what has been written, oldest first; a record's view is dead after the call.
   * @returns how many records
   */
  drain(take: (record: DataView) => void): number {
    let taken = 0;
    let at = Number(Atomics.load(this.#consumed, 0));
    try {
      for (let seen = 0; seen < maxRecords && at < Number(Atomics.load(this.#produced, 0)); seen++) {
        const start = this.#pageBytes + (at & (this.#sizeBytes - 1));
        const length = Atomics.load(this.#lengths, start / 4);
        if ((length & busy) !== 0) break; // Reserved, and not yet written to its end.
        const bytes = length & (discarded - 1);
        at += (headerBytes + bytes + 7) & ~7;
        if ((length & discarded) !== 0) continue;
        taken += 1;
        take(new DataView(this.#data, start + headerBytes, bytes));
      }
    } finally {
      Atomics.store(this.#consumed, 0, BigInt(at));
    }
    return taken;
  }

  [Symbol.dispose](): void {
    for (const { address, memory, bytes } of this.#mapped.splice(0)) {
      memory.transfer();
      cMunmap(address, bytes);
    }
    this.fd.close();
  }
}
