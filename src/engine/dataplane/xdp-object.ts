/** bpf/xdp.bpf.c, loaded once for every interface; all share the maps of ports. */
import { possibleCpus } from "../../ffi/bpf-library.ts";
import { BpfMap, BpfObject } from "../../ffi/libbpf.ts";
import type { BpfSource, MappedArray } from "../../ffi/libbpf.ts";
import { AetherError } from "../../protocol/errors.ts";
import { abiVersion, portCount, portCounterSlots, structs } from "./layout.ts";

/** Maps that every interface's object shares; `.bss` is the variable port_settings. */
const sharedMaps = [
  ".bss",
  "port_redirect_map",
  "port_limits",
  "syn_events",
  "ring_targets",
  "neighbours",
  "flows",
  "replies",
] as const;
/** Maps of each interface. */
const interfaceMaps = ["port_counters", "interface_counters"] as const;

export type SharedMaps = Readonly<Record<(typeof sharedMaps)[number], BpfMap>>;
export type InterfaceMaps = Readonly<Record<(typeof interfaceMaps)[number], BpfMap>>;

/**
 * Loads the object.
 * @param reuse maps of an earlier object to take over; `{}` for the first one
 * @param onlyShared it will count nothing: it holds the maps that are shared, and the programs of instances and clock
 * @throws AetherError AE_BPF_LOAD_FAILED also for an object of another version, AE_BPF_VERIFICATION_FAILED
 */
export function loadXdpObject(
  source: BpfSource,
  reuse: Readonly<Record<string, BpfMap>>,
  onlyShared = false,
): BpfObject {
  const cpus = onlyShared ? 1 : possibleCpus();
  const entries = { port_counters: onlyShared ? 1 : cpus * portCounterSlots, interface_counters: cpus };
  // The entries of a map that is taken over are its own.
  const fresh = Object.fromEntries(Object.entries(entries).filter(([name]) => reuse[name] === undefined));
  // The verifier needs half a second of processor time for aether_ports.
  const programs = onlyShared ? { programs: ["aether_replies", "aether_clock"] } : {};
  return BpfObject.load(source, checkVersion, { entries: fresh, reuse, ...programs });
}

function checkVersion(rodata: DataView): void {
  const found = rodata.byteLength < 4 ? null : rodata.getUint32(0, true);
  if (found === abiVersion) return;
  throw new AetherError("AE_BPF_LOAD_FAILED", "the compiled XDP program does not belong to this version", {
    why: `its layout has the version ${found ?? "unknown"}, not ${abiVersion}`,
    hint: "Run `npm run setup` to build it again.",
    data: { found, expected: abiVersion },
  });
}

/** The maps to share of the first object; they live as long as it does. */
export function mapsToShare(object: BpfObject): SharedMaps {
  return {
    ".bss": object.map(".bss"),
    port_redirect_map: object.map("port_redirect_map"),
    port_limits: object.map("port_limits"),
    syn_events: object.map("syn_events"),
    ring_targets: object.map("ring_targets"),
    neighbours: object.map("neighbours"),
    flows: object.map("flows"),
    replies: object.map("replies"),
  };
}

/** The maps of an interface, which outlive the object: a successor goes on counting in them. */
export function mapsOfInterface(object: BpfObject): InterfaceMaps {
  const own = (name: (typeof interfaceMaps)[number]): BpfMap => {
    const { shape, fd } = object.map(name);
    return new BpfMap(shape, fd);
  };
  return { port_counters: own("port_counters"), interface_counters: own("interface_counters") };
}

/** port_settings in our memory, one entry after the other. */
export function mappedSettings(object: BpfObject): PortSettingsArray {
  const { size } = structs.port_settings;
  return { view: object.mapArray(".bss", 1, portCount * size).view, stride: size };
}

/** What a table of ports needs of a mapped array. */
export type PortSettingsArray = Pick<MappedArray, "view" | "stride">;

/** An array of the object in our memory. @throws AetherError AE_BPF_MAP_NOT_FOUND also when its shape is another one */
export function mappedStructs(
  object: BpfObject,
  name: string,
  struct: keyof typeof structs,
  entries: number,
): MappedArray {
  return object.mapArray(name, entries, structs[struct].size);
}
