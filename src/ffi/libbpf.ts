/** libbpf: open, load, attach to a cgroup, and arrays read and written by mapping, without a system call. */
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";
import type { Fd } from "./fd.ts";
import { errnoName, lastErrno, libc } from "./libc.ts";

/** Verifier logs are long; one that does not fit would fail the load with ENOSPC. */
const logBytes = 1024 * 1024;
const shownLogLines = 15;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

function open(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load("libbpf.so.1");
  } catch (error) {
    throw new AetherError("AE_BPF_LOAD_FAILED", "libbpf cannot be loaded", {
      why: error instanceof Error ? error.message : String(error),
      hint: "Install it: apt-get install libbpf1 (libbpf 1.0 or newer).",
      cause: error,
    });
  }
}

function bind(library: ReturnType<typeof koffi.load>) {
  return {
    openFile: library.func("void* bpf_object__open_file(const char*, void*)"),
    load: library.func("int bpf_object__load(void*)"),
    close: library.func("void bpf_object__close(void*)"),
    nextProgram: library.func("void* bpf_object__next_program(void*, void*)"),
    findProgram: library.func("void* bpf_object__find_program_by_name(void*, const char*)"),
    setLogBuffer: library.func("int bpf_program__set_log_buf(void*, void*, size_t)"),
    findMap: library.func("void* bpf_object__find_map_by_name(void*, const char*)"),
    nextMap: library.func("void* bpf_object__next_map(void*, void*)"),
    mapName: library.func("const char* bpf_map__name(void*)"),
    mapFd: library.func("int bpf_map__fd(void*)"),
    mapInitial: library.func("void* bpf_map__initial_value(void*, void*)"),
    attachCgroup: library.func("void* bpf_program__attach_cgroup(void*, int)"),
    destroyLink: library.func("int bpf_link__destroy(void*)"),
    silence: library.func("void* libbpf_set_print(void*)"),
  };
}

let bound: ReturnType<typeof bind> | null = null;

function libbpf(): ReturnType<typeof bind> {
  if (bound === null) {
    bound = bind(open());
    bound.silence(null); // its messages would land on a terminal in use; the logs below tell more
  }
  return bound;
}

const cMmap = libc.func("void* mmap(void*, size_t, int, int, int, int64)");
const cMunmap = libc.func("int munmap(void*, size_t)");

type Pointer = bigint | null;

/** An array map in our memory (BPF_F_MMAPABLE). An element's stride is its size rounded up to 8. */
export class MappedArray implements Disposable {
  readonly view: DataView;
  readonly stride: number;
  #address: Pointer;
  readonly #sizeBytes: number;

  constructor(fd: number, name: string, entries: number, valueBytes: number) {
    this.stride = (valueBytes + 7) & ~7;
    this.#sizeBytes = entries * this.stride;
    const address = cMmap(null, this.#sizeBytes, PROT_READ_WRITE, MAP_SHARED, fd, 0) as Pointer;
    if (address === null || address === 0xffffffffffffffffn) {
      throw new AetherError("AE_BPF_MAP_OPERATION_FAILED", `the BPF map ${name} cannot be mapped`, {
        why: errnoName(lastErrno()),
        hint: "Linux 5.5 or newer is needed.",
        data: { map: name },
      });
    }
    this.#address = address;
    this.view = new DataView(koffi.view(address, this.#sizeBytes));
  }

  /** The view must not be used any more after this. */
  [Symbol.dispose](): void {
    if (this.#address !== null) cMunmap(this.#address, this.#sizeBytes);
    this.#address = null;
  }
}

/** A loaded object with its attachments; closing it detaches and unmaps everything. */
export class BpfObject implements Disposable {
  readonly #path: string;
  #object: Pointer;
  readonly #links: Pointer[] = [];
  readonly #arrays: MappedArray[] = [];

  private constructor(path: string, object: Pointer) {
    this.#path = path;
    this.#object = object;
  }

  /**
   * Opens and loads an object file.
   * @param constants values of `const volatile` variables, by their offset in .rodata; checked against its size
   * @throws AetherError AE_BPF_LOAD_FAILED, AE_BPF_VERIFICATION_FAILED with the verifier's last lines
   */
  static load(path: string, setConstants: (rodata: DataView) => void = () => undefined): BpfObject {
    const library = libbpf();
    const object = library.openFile(path, null) as Pointer;
    if (object === null) {
      throw new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${path} cannot be opened`, {
        why: errnoName(lastErrno()),
        hint: "Run `npm run setup`: it builds the BPF programs.",
        data: { path },
      });
    }
    const loaded = new BpfObject(path, object);
    // The buffers must live until the load is done: native memory, not a Buffer of the heap.
    const logs: { buffer: bigint; text: () => string }[] = [];
    try {
      const rodata = loaded.#rodata();
      if (rodata !== null) setConstants(rodata);
      for (let program = library.nextProgram(object, null) as Pointer; program !== null; ) {
        const buffer = koffi.alloc("uint8_t", logBytes) as bigint;
        const bytes = new Uint8Array(koffi.view(buffer, logBytes));
        logs.push({ buffer, text: () => Buffer.from(bytes.subarray(0, Math.max(0, bytes.indexOf(0)))).toString("utf8") });
        library.setLogBuffer(program, buffer, logBytes);
        program = library.nextProgram(object, program) as Pointer;
      }
      const result = library.load(object) as number;
      if (result < 0) throw loaded.#loadError(-result, logs.map(({ text }) => text()).join("\n"));
      return loaded;
    } catch (error) {
      loaded[Symbol.dispose]();
      throw error;
    } finally {
      for (const { buffer } of logs) koffi.free(buffer);
    }
  }

  #loadError(value: number, log: string): AetherError {
    const lines = log.split("\n").filter((line) => line.trim() !== "").slice(-shownLogLines);
    const refused = lines.length > 0 && value !== 1;
    return new AetherError(refused ? "AE_BPF_VERIFICATION_FAILED" : "AE_BPF_LOAD_FAILED", `the BPF object ${this.#path} was not loaded`, {
      why: refused ? (lines.at(-2) ?? errnoName(value)) : errnoName(value),
      hint: value === 1 ? "Run as root: CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed." : "`aether doctor` says what the kernel lacks; Linux 5.14 or newer is needed.",
      data: { path: this.#path, errno: errnoName(value), verifier: lines },
    });
  }

  #rodata(): DataView | null {
    const library = libbpf();
    for (let map = library.nextMap(this.#object, null) as Pointer; map !== null; map = library.nextMap(this.#object, map) as Pointer) {
      if (!(library.mapName(map) as string).endsWith(".rodata")) continue;
      const size = new BigUint64Array(1);
      const address = library.mapInitial(map, size) as Pointer;
      return address === null ? null : new DataView(koffi.view(address, Number(size[0] ?? 0n)));
    }
    return null;
  }

  /** @throws AetherError AE_BPF_ATTACH_FAILED */
  attachCgroup(program: string, cgroup: Fd): void {
    const library = libbpf();
    const found = library.findProgram(this.#object, program) as Pointer;
    const link = found === null ? null : (library.attachCgroup(found, cgroup.number) as Pointer);
    if (link === null) {
      throw new AetherError("AE_BPF_ATTACH_FAILED", `the BPF program ${program} cannot be attached to the engine's cgroup`, {
        why: found === null ? "the object does not have it" : errnoName(lastErrno()),
        hint: "A cgroup v2 hierarchy, CAP_BPF and CAP_NET_ADMIN are needed; `aether doctor` checks them.",
        data: { program },
      });
    }
    this.#links.push(link);
  }

  /** @throws AetherError AE_BPF_MAP_NOT_FOUND, AE_BPF_MAP_OPERATION_FAILED */
  mapArray(name: string, entries: number, valueBytes: number): MappedArray {
    const library = libbpf();
    const map = library.findMap(this.#object, name) as Pointer;
    if (map === null) {
      throw new AetherError("AE_BPF_MAP_NOT_FOUND", `the BPF object ${this.#path} has no map ${name}`, {
        hint: "Run `npm run setup`: the compiled object does not belong to this version.",
        data: { map: name },
      });
    }
    const array = new MappedArray(library.mapFd(map) as number, name, entries, valueBytes);
    this.#arrays.push(array);
    return array;
  }

  [Symbol.dispose](): void {
    const library = libbpf();
    for (const link of this.#links.splice(0)) library.destroyLink(link);
    for (const array of this.#arrays.splice(0)) array[Symbol.dispose]();
    if (this.#object !== null) library.close(this.#object);
    this.#object = null;
  }
}
