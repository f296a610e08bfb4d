/** Counters of the programs, added up over the processors. Reading them is reading memory: no system call. */
import type { MappedArray } from "../../ffi/libbpf.ts";
import { portCounterSlots, structs, unparsedReasons } from "./layout.ts";
import type { UnparsedReason } from "./layout.ts";

/** What came in for a port, on all interfaces. A packet sent by the function is not counted, except on loopback by its receiver's port. */
export interface PortCounters {
  readonly packets: number;
  /** Whole frames, Ethernet header included. */
  readonly bytes: number;
  readonly syns: number;
  /** Over max_connections_per_second; counted in `packets` and `syns` too. */
  readonly synsDropped: number;
  readonly synsReported: number;
  readonly redirected: number;
  /** Jiffy of the last packet; 0: none yet. */
  readonly lastPacketJiffies: number;
}

export interface InterfaceCounters {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
  readonly redirected: number;
  readonly dropped: number;
  /** Packets passed without a look at their port, by reason. */
  readonly unparsed: Readonly<Record<UnparsedReason, number>>;
}

export const zeroPortCounters: PortCounters = {
  packets: 0,
  bytes: 0,
  syns: 0,
  synsDropped: 0,
  synsReported: 0,
  redirected: 0,
  lastPacketJiffies: 0,
};

const port = structs.port_counters.fields;
const own = structs.interface_counters.fields;

/** The sums of one slot. */
export function readPortCounters({ view, stride }: MappedArray, cpus: number, slot: number): PortCounters {
  let sum = zeroPortCounters;
  for (let cpu = 0; cpu < cpus; cpu++) {
    const base = (cpu * portCounterSlots + slot) * stride;
    const read = (at: number): number => Number(view.getBigUint64(base + at, true));
    const here = {
      packets: read(port.packets),
      bytes: read(port.bytes),
      syns: read(port.syns),
      synsDropped: read(port.syns_dropped),
      synsReported: read(port.syns_reported),
      redirected: read(port.redirected),
      lastPacketJiffies: read(port.last_packet_jiffies),
    };
    sum = addCounters(sum, here, 1);
  }
  return sum;
}

/** Sum or difference; the last packet is the later one, or none when nothing was counted. */
export function addCounters(left: PortCounters, right: PortCounters, sign: 1 | -1): PortCounters {
  const packets = left.packets + sign * right.packets;
  return {
    packets,
    bytes: left.bytes + sign * right.bytes,
    syns: left.syns + sign * right.syns,
    synsDropped: left.synsDropped + sign * right.synsDropped,
    synsReported: left.synsReported + sign * right.synsReported,
    redirected: left.redirected + sign * right.redirected,
    lastPacketJiffies: packets === 0 ? 0 : Math.max(left.lastPacketJiffies, right.lastPacketJiffies),
  };
}

/** The sums of one interface. */
export function readInterfaceCounters(
  name: string,
  { view, stride }: MappedArray,
  cpus: number,
): InterfaceCounters {
  const sum = (at: number): number => {
    let total = 0;
    for (let cpu = 0; cpu < cpus; cpu++) total += Number(view.getBigUint64(cpu * stride + at, true));
    return total;
  };
  const unparsed = Object.fromEntries(
    unparsedReasons.map((reason, index) => [reason, sum(own.unparsed + 8 * index)]),
  ) as Record<UnparsedReason, number>;
  return {
    name,
    packets: sum(own.packets),
    bytes: sum(own.bytes),
    redirected: sum(own.redirected),
    dropped: sum(own.dropped),
    unparsed,
  };
}
