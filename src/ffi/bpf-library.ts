/** libbpf.so.1 itself: loaded when it is first needed, and the functions of it that are used (all of libbpf 1.0). */
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";

/** koffi returns NULL as null and any other pointer as a number without a type: it never leaves src/ffi. */
export type Pointer = bigint | null;

const soname = "libbpf.so.1";

function open(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load(soname);
  } catch (error) {
    throw new AetherError("AE_BPF_LOAD_FAILED", "libbpf cannot be loaded", {
      why: error instanceof Error ? error.message : String(error),
      hint: "Install it: apt-get install libbpf1 (libbpf 1.0 or newer).",
      data: { library: soname },
      cause: error,
    });
  }
}

function bind(library: ReturnType<typeof koffi.load>) {
  return {
    openFile: library.func("void* bpf_object__open_file(const char*, void*)"),
    openMemory: library.func("void* bpf_object__open_mem(void*, size_t, void*)"),
    load: library.func("int bpf_object__load(void*)"),
    close: library.func("void bpf_object__close(void*)"),
    nextProgram: library.func("void* bpf_object__next_program(void*, void*)"),
    findProgram: library.func("void* bpf_object__find_program_by_name(void*, const char*)"),
    programName: library.func("const char* bpf_program__name(void*)"),
    programType: library.func("int bpf_program__type(void*)"),
    programFd: library.func("int bpf_program__fd(void*)"),
    setAutoload: library.func("int bpf_program__set_autoload(void*, bool)"),
    runProgram: library.func("int bpf_prog_test_run_opts(int, void*)"),
    setLogBuffer: library.func("int bpf_program__set_log_buf(void*, void*, size_t)"),
    findMap: library.func("void* bpf_object__find_map_by_name(void*, const char*)"),
    nextMap: library.func("void* bpf_object__next_map(void*, void*)"),
    mapName: library.func("const char* bpf_map__name(void*)"),
    mapFd: library.func("int bpf_map__fd(void*)"),
    mapInitial: library.func("void* bpf_map__initial_value(void*, void*)"),
    setMapEntries: library.func("int bpf_map__set_max_entries(void*, uint32_t)"),
    reuseMap: library.func("int bpf_map__reuse_fd(void*, int)"),
    mapEntries: library.func("uint32_t bpf_map__max_entries(void*)"),
    mapKeySize: library.func("uint32_t bpf_map__key_size(void*)"),
    mapValueSize: library.func("uint32_t bpf_map__value_size(void*)"),
    lookup: library.func("int bpf_map_lookup_elem(int, void*, void*)"),
    update: library.func("int bpf_map_update_elem(int, void*, void*, uint64_t)"),
    remove: library.func("int bpf_map_delete_elem(int, void*)"),
    lookupBatch: library.func("int bpf_map_lookup_batch(int, void*, void*, void*, void*, void*, void*)"),
    attachCgroup: library.func("void* bpf_program__attach_cgroup(void*, int)"),
    createLink: library.func("int bpf_link_create(int, int, int, void*)"),
    updateLink: library.func("int bpf_link_update(int, int, void*)"),
    detachLink: library.func("int bpf_link_detach(int)"),
    pin: library.func("int bpf_obj_pin(int, const char*)"),
    openPin: library.func("int bpf_obj_get(const char*)"),
    queryXdp: library.func("int bpf_xdp_query(int, int, void*)"),
    programById: library.func("int bpf_prog_get_fd_by_id(uint32_t)"),
    mapById: library.func("int bpf_map_get_fd_by_id(uint32_t)"),
    objectInfo: library.func("int bpf_obj_get_info_by_fd(int, void*, void*)"),
    possibleCpus: library.func("int libbpf_num_possible_cpus()"),
    destroyLink: library.func("int bpf_link__destroy(void*)"),
    setPrint: library.func("void* libbpf_set_print(void*)"),
    version: library.func("const char* libbpf_version_string()"),
  };
}

let bound: ReturnType<typeof bind> | null = null;

/** @throws AetherError AE_BPF_LOAD_FAILED where the library is missing */
export function libbpf(): ReturnType<typeof bind> {
  if (bound === null) {
    bound = bind(open());
    // Its messages would land on a terminal that is in use. The errors and verifier logs of these files tell more.
    bound.setPrint(null);
  }
  return bound;
}

/** Processors there may ever be: per-processor data has a place for each, also where fewer are on. */
export function possibleCpus(): number {
  return libbpf().possibleCpus() as number;
}

/** As "v1.1". */
export function libbpfVersion(): string {
  return libbpf().version() as string;
}
