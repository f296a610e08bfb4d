/** BPF objects: opened, given their constants, loaded, attached to cgroups, and their maps. */
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";
import { libbpf } from "./bpf-library.ts";
import type { Pointer } from "./bpf-library.ts";
import { attachToCgroup } from "./bpf-link.ts";
import type { BpfLink } from "./bpf-link.ts";
import { loadError, VerifierLogs } from "./bpf-logs.ts";
import { BpfMap, mapError } from "./bpf-map.ts";
import type { MappedArray } from "./bpf-map.ts";
import { BpfProgram } from "./bpf-program.ts";
import type { Fd } from "./fd.ts";
import { errnoName, lastErrno } from "./libc.ts";

export { BpfMap, MappedArray } from "./bpf-map.ts";
export { BpfProgram } from "./bpf-program.ts";
export { BpfLink } from "./bpf-link.ts";
export { libbpfVersion } from "./bpf-library.ts";

/** A compiled object: its file, or its bytes under a name for messages. */
export type BpfSource = string | { readonly name: string; readonly bytes: Uint8Array };

/** Sets `const volatile` variables by their offset in .rodata; the view is dead after the call. */
export type SetConstants = (rodata: DataView) => void;

/** What is decided of an object before it is loaded. */
export interface LoadChoices {
  /** Map -> entries, instead of those in the object. */
  readonly entries?: Readonly<Record<string, number>>;
  /** Map -> one that is there already, and is used in its place. */
  readonly reuse?: Readonly<Record<string, BpfMap>>;
  /** The only programs to load; the others stay away from the verifier. */
  readonly programs?: readonly string[];
}

/** BPF_PROG_TYPE_XDP (linux/bpf.h) */
const xdpType = 6;

/** A loaded object. Closing it detaches and unmaps what was made through it; each of these may be closed before. */
export class BpfObject implements Disposable {
  readonly name: string;
  #object: Pointer;
  readonly #owned: Disposable[] = [];

  private constructor(name: string, object: bigint) {
    this.name = name;
    this.#object = object;
  }

  /** @throws AetherError AE_BPF_LOAD_FAILED, or AE_BPF_VERIFICATION_FAILED with the verifier's last lines */
  static load(source: BpfSource, setConstants?: SetConstants, choices: LoadChoices = {}): BpfObject {
    const name = typeof source === "string" ? source : source.name;
    const object = new BpfObject(name, openObject(source, name));
    using logs = new VerifierLogs(object.#pointer);
    try {
      if (setConstants !== undefined) object.#withRodata(setConstants);
      object.#choose(choices);
      const result = libbpf().load(object.#pointer) as number;
      if (result < 0) throw loadError(name, -result, logs.lastLines());
      return object;
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /** Names of an object's XDP programs, without loading it. @throws AetherError AE_BPF_LOAD_FAILED */
  static xdpPrograms(source: BpfSource): string[] {
    const name = typeof source === "string" ? source : source.name;
    using object = new BpfObject(name, openObject(source, name));
    return [...object.#programs()].flatMap((each) => (each.type === xdpType ? [each.name] : []));
  }

  *#programs(): Generator<{ readonly name: string; readonly type: number; readonly pointer: bigint }> {
    const { nextProgram, programName, programType } = libbpf();
    for (let at = nextProgram(this.#pointer, null) as Pointer; at !== null;) {
      yield { name: programName(at) as string, type: programType(at) as number, pointer: at };
      at = nextProgram(this.#pointer, at) as Pointer;
    }
  }

  #choose({ entries = {}, reuse = {}, programs }: LoadChoices): void {
    const { findMap, setMapEntries, reuseMap, setAutoload } = libbpf();
    const change = (name: string, how: (map: bigint) => number): void => {
      const map = findMap(this.#pointer, name) as Pointer;
      if (map === null) throw this.#noMap(name, "there is none of this name");
      const result = how(map);
      if (result < 0) throw mapError(name, "set up", errnoName(-result));
    };
    for (const [name, count] of Object.entries(entries))
      change(name, (map) => setMapEntries(map, count) as number);
    for (const [name, existing] of Object.entries(reuse))
      change(name, (map) => reuseMap(map, existing.fd) as number);
    if (programs === undefined) return;
    for (const { name, pointer } of this.#programs())
      if (!programs.includes(name)) setAutoload(pointer, false);
  }

  /** A loaded program by its name. @throws AetherError AE_BPF_LOAD_FAILED when there is none */
  program(name: string): BpfProgram {
    const found = libbpf().findProgram(this.#pointer, name) as Pointer;
    if (found !== null) return this.#own(new BpfProgram(name, libbpf().programFd(found) as number));
    throw new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${this.name} has no program ${name}`, {
      hint: `Its programs: ${[...this.#programs()].map((each) => each.name).join(", ")}.`,
      data: { object: this.name, program: name },
    });
  }

  get #pointer(): bigint {
    if (this.#object === null) throw new Error(`BPF object ${this.name} used after it was closed`);
    return this.#object;
  }

  /** Constants live in the map that libbpf calls "<object>.rodata"; its memory is ours to write until the load. */
  #withRodata(setConstants: SetConstants): void {
    const { nextMap, mapName, mapInitial } = libbpf();
    for (
      let map = nextMap(this.#pointer, null) as Pointer;
      map !== null;
      map = nextMap(this.#pointer, map) as Pointer
    ) {
      if (!(mapName(map) as string).endsWith(".rodata")) continue;
      const size = new BigUint64Array(1);
      const address = mapInitial(map, size) as Pointer;
      if (address === null) break;
      const memory = koffi.view(address, Number(size[0] ?? 0n));
      try {
        return setConstants(new DataView(memory));
      } finally {
        memory.transfer();
      }
    }
    throw new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${this.name} has no constants to set`, {
      hint: "Run `npm run setup`: the compiled object does not belong to this version.",
      data: { object: this.name },
    });
  }

  /** Attaches a program to a cgroup and all below it. @throws AetherError AE_BPF_ATTACH_FAILED */
  attachCgroup(program: string, cgroup: Fd): BpfLink {
    const found = libbpf().findProgram(this.#pointer, program) as Pointer;
    return this.#own(attachToCgroup(this.name, program, found, cgroup));
  }

  /** A map by its name. @throws AetherError AE_BPF_MAP_NOT_FOUND */
  map(name: string): BpfMap {
    return this.#own(this.#openMap(name));
  }

  /**
   * An array map of a known shape in our memory.
   * @throws AetherError AE_BPF_MAP_NOT_FOUND also when its shape is another one, AE_BPF_MAP_OPERATION_FAILED
   */
  mapArray(name: string, entries: number, valueBytes: number): MappedArray {
    using map = this.#openMap(name);
    const { shape } = map;
    if (shape.entries !== entries || shape.valueBytes !== valueBytes) {
      throw this.#noMap(
        name,
        `${shape.entries} entries of ${shape.valueBytes} bytes, not ${entries} of ${valueBytes}`,
      );
    }
    return this.#own(map.map());
  }

  #openMap(name: string): BpfMap {
    const { findMap, mapFd, mapEntries, mapKeySize, mapValueSize } = libbpf();
    const map = findMap(this.#pointer, name) as Pointer;
    if (map === null) throw this.#noMap(name, "there is none of this name");
    const entries = mapEntries(map) as number;
    const shape = {
      name,
      entries,
      keyBytes: mapKeySize(map) as number,
      valueBytes: mapValueSize(map) as number,
    };
    return new BpfMap(shape, mapFd(map) as number);
  }

  #noMap(name: string, why: string): AetherError {
    return new AetherError("AE_BPF_MAP_NOT_FOUND", `the BPF object ${this.name} has no map ${name}`, {
      why,
      hint: "Run `npm run setup`: the compiled object does not belong to this version.",
      data: { object: this.name, map: name },
    });
  }

  #own<T extends Disposable>(handle: T): T {
    this.#owned.push(handle);
    return handle;
  }

  [Symbol.dispose](): void {
    for (const handle of this.#owned.splice(0)) handle[Symbol.dispose]();
    const object = this.#object;
    this.#object = null;
    if (object !== null) libbpf().close(object);
  }
}

function openObject(source: BpfSource, name: string): bigint {
  const { openFile, openMemory } = libbpf();
  const opened =
    typeof source === "string" ? openFile(source, null) : openMemory(source.bytes, source.bytes.length, null);
  if (opened !== null) return opened as bigint;
  throw new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${name} cannot be opened`, {
    why: errnoName(lastErrno()),
    hint: "Run `npm run setup`: it builds the BPF programs.",
    data: { object: name },
  });
}
