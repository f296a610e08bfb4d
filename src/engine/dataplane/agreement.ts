/** Whether kernel and engine agree on the data plane, seen from another process: by the ids of programs and maps. */
import { openMapById } from "../../ffi/bpf-info.ts";
import { attachedXdp } from "../../ffi/bpf-xdp.ts";
import { interfaceIndex } from "../../ffi/interfaces.ts";
import type { DataPlaneView } from "../../protocol/views.ts";
import { portCount, structs } from "./layout.ts";
import { compare } from "./port-map.ts";
import type { PortOwner } from "./port-map.ts";

/** What differs, in words; empty when all is as the engine says. In the engine's network namespace. */
export function disagreements(view: DataPlaneView): string[] {
  return [...programs(view), ...ports(view)];
}

function programs({ interfaces }: DataPlaneView): string[] {
  return interfaces.flatMap(({ name, programId }) => {
    const index = interfaceIndex(name);
    if (index === 0) return [`the interface ${name} is gone`];
    const found = attachedXdp(index)?.programId ?? null;
    if (found === programId) return [];
    return [
      found === null
        ? `no program is attached to ${name}`
        : `the program of ${name} is ${found}, not ${programId}`,
    ];
  });
}

function ports({ portMapId, ports: expected }: DataPlaneView): string[] {
  using map = openMapById(portMapId);
  if (map === null) return [`the port map ${portMapId} is gone`];
  const { entries, valueBytes } = map.shape;
  if (entries !== portCount || valueBytes !== structs.port_value.size)
    return [`the map ${portMapId} is no port map`];
  using array = map.map();
  const wanted = new Map(expected.map(({ port, pid, address }) => [port, { pid, address }]));
  return compare(array, wanted).map(
    ({ port, expected: mine, found }) =>
      `port ${port} is ${words(found)} in the kernel, ${words(mine)} in the engine`,
  );
}

const words = (owner: PortOwner | null): string =>
  owner === null ? "nobody's" : `that of process ${owner.pid} at ${owner.address}`;
