/** bpf/xdp.bpf.c, loaded once for every interface; all share the maps of ports. */
import { possibleCpus } from "../../ffi/bpf-library.ts";
import type { BpfMap, MappedArray } from "../../ffi/libbpf.ts";
import { BpfObject } from "../../ffi/libbpf.ts";
import type { BpfSource } from "../../ffi/libbpf.ts";
import { AetherError } from "../../protocol/errors.ts";
import { abiVersion, portCounterSlots, structs } from "./layout.ts";

/** Maps that every interface's object shares; `interface_counters` is each one's own. */
export const sharedMaps = [
  "port_redirect_map",
  "port_settings",
  "port_counters",
  "port_limits",
  "syn_events",
  "ring_targets",
  "flows",
  "replies",
] as const;

export type SharedMaps = Readonly<Record<(typeof sharedMaps)[number], BpfMap>>;

/**
 * Loads the object.
 * @param reuse maps of an earlier object to take over; `{}` for the first one
 * @throws AetherError AE_BPF_LOAD_FAILED also for an object of another version, AE_BPF_VERIFICATION_FAILED
 */
export function loadXdpObject(source: BpfSource, reuse: Readonly<Record<string, BpfMap>>): BpfObject {
  const entries = { port_counters: possibleCpus() * portCounterSlots, interface_counters: possibleCpus() };
  // The entries of a map that is taken over are its own.
  const fresh = Object.fromEntries(Object.entries(entries).filter(([name]) => reuse[name] === undefined));
  return BpfObject.load(source, checkVersion, { entries: fresh, reuse });
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
    port_redirect_map: object.map("port_redirect_map"),
    port_settings: object.map("port_settings"),
    port_counters: object.map("port_counters"),
    port_limits: object.map("port_limits"),
    syn_events: object.map("syn_events"),
    ring_targets: object.map("ring_targets"),
    flows: object.map("flows"),
    replies: object.map("replies"),
  };
}

/** An array of the object in our memory. @throws AetherError AE_BPF_MAP_NOT_FOUND also when its shape is another one */
export function mappedStructs(
  object: BpfObject,
  name: string,
  struct: keyof typeof structs,
  entries: number,
): MappedArray {
  return object.mapArray(name, entries, structs[struct].size);
}
