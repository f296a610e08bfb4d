/** BPF maps: element by element through the kernel, or as an array mapped into our memory. */
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";
import { libbpf } from "./bpf-library.ts";
import type { Pointer } from "./bpf-library.ts";
import { Fd } from "./fd.ts";
import { errno, errnoName, lastErrno, libc } from "./libc.ts";

const cMmap = libc.func("void* mmap(void*, size_t, int, int, int, int64)");
const cMunmap = libc.func("int munmap(void*, size_t)");
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

export interface MapShape {
  readonly name: string;
  readonly entries: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
}

/** One map. It has a descriptor of its own, and outlives the object it came from. */
export class BpfMap implements Disposable {
  readonly shape: MapShape;
  readonly #fd: Fd;

  /** @param fd of the object: a duplicate is taken */
  constructor(shape: MapShape, fd: number) {
    this.shape = shape;
    this.#fd = new Fd(fd).duplicate();
  }

  /** For a system call made at once. */
  get fd(): number {
    return this.#fd.number;
  }

  /** The value of a key; `null` when there is none. */
  lookup(key: Uint8Array): Uint8Array | null {
    const value = new Uint8Array(this.shape.valueBytes);
    if ((libbpf().lookup(this.fd, this.#key(key), value) as number) === 0) return value;
    return this.#missing("read");
  }

  /** Sets a key, whether it is there or not. */
  update(key: Uint8Array, value: Uint8Array): void {
    if (value.length !== this.shape.valueBytes)
      throw this.#error("written", `a value has ${this.shape.valueBytes} bytes`);
    const result = libbpf().update(this.fd, this.#key(key), value, 0) as number;
    if (result !== 0) throw this.#error("written", errnoName(lastErrno()));
  }

  /** Takes a key out; false when it was not there. Elements of an array cannot be taken out. */
  remove(key: Uint8Array): boolean {
    return (libbpf().remove(this.fd, this.#key(key)) as number) === 0 || this.#missing("changed") !== null;
  }

  /** What a hash map holds now: all of it, in one call. */
  entries(): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
    const { entries, keyBytes, valueBytes } = this.shape;
    const keys = new Uint8Array(entries * keyBytes);
    const values = new Uint8Array(entries * valueBytes);
    const count = new Uint32Array([entries]);
    const next = new Uint32Array(1);
    const result = libbpf().lookupBatch(this.fd, null, next, keys, values, count, null) as number;
    // ENOENT: that was the end.
    if (result < 0 && lastErrno() !== errno.ENOENT) throw this.#error("read", errnoName(lastErrno()));
    return Array.from({ length: count[0] ?? 0 }, (_, index) => ({
      key: keys.subarray(index * keyBytes, (index + 1) * keyBytes),
      value: values.subarray(index * valueBytes, (index + 1) * valueBytes),
    }));
  }

  /** The whole of an array map (BPF_F_MMAPABLE) in our memory: read and written without a system call. */
  map(): MappedArray {
    return new MappedArray(this.shape, this.fd);
  }

  #key(key: Uint8Array): Uint8Array {
    if (key.length !== this.shape.keyBytes)
      throw this.#error("used", `a key has ${this.shape.keyBytes} bytes`);
    return key;
  }

  #missing(doing: string): null {
    const error = lastErrno();
    if (error === errno.ENOENT) return null;
    throw this.#error(doing, errnoName(error));
  }

  #error(doing: string, why: string): AetherError {
    return mapError(this.shape.name, doing, why);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

/** An array map in our memory. It keeps the map alive by itself, whatever else is closed. */
export class MappedArray implements Disposable {
  /** From an element's start to the next: its size rounded up to 8 (kernel/bpf/arraymap.c). */
  readonly stride: number;
  readonly #view: DataView<ArrayBuffer>;
  readonly #sizeBytes: number;
  #address: Pointer;

  constructor({ name, entries, valueBytes }: MapShape, fd: number) {
    this.stride = (valueBytes + 7) & ~7;
    this.#sizeBytes = entries * this.stride;
    const address = mapMemory(new Fd(fd), PROT_READ_WRITE, this.#sizeBytes, 0);
    if (address === null) throw mapError(name, "mapped", errnoName(lastErrno()));
    this.#address = address;
    this.#view = new DataView(koffi.view(address, this.#sizeBytes));
  }

  /** Element `index` starts at `index * stride`. Counters are little-endian: BPF objects are built for this machine. */
  get view(): DataView {
    return this.#view;
  }

  [Symbol.dispose](): void {
    if (this.#address === null) return;
    // Detached first: a late reader gets a TypeError, not a fault that ends the engine.
    this.#view.buffer.transfer();
    cMunmap(this.#address, this.#sizeBytes);
    this.#address = null;
  }
}

/** A map's memory, shared; `null` when that fails, with errno set. */
export function mapMemory(fd: Fd, protection: number, bytes: number, offset: number): bigint | null {
  const address = cMmap(null, bytes, protection, MAP_SHARED, fd.number, offset) as Pointer;
  return address === MAP_FAILED ? null : address;
}

export function mapError(name: string, doing: string, why: string): AetherError {
  return new AetherError("AE_BPF_MAP_OPERATION_FAILED", `the BPF map ${name} cannot be ${doing}`, {
    why,
    hint: "Linux 5.14 or newer is needed, and a map that belongs to this version: `npm run setup`.",
    data: { map: name },
  });
}
