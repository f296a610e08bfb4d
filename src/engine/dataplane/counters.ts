/** Counters of the programs, added up over the processors. Reading them is reading memory: no system call. */
import type { MappedArray } from "../../ffi/libbpf.ts";
import { unparsedReasons } from "../../protocol/unparsed-reasons.ts";
import type { UnparsedReason } from "../../protocol/unparsed-reasons.ts";
import { portCounterSlots, structs } from "./layout.ts";

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

/** Counters of one interface in our memory. */
export interface CounterArrays {
  readonly ports: MappedArray;
  readonly unparsed: MappedArray;
}

/** The sums of one slot over interfaces. */
export function readPortCounters(
  interfaces: Iterable<CounterArrays>,
  cpus: number,
  slot: number,
): PortCounters {
  let sum = zeroPortCounters;
  for (const { ports } of interfaces) {
    for (let cpu = 0; cpu < cpus; cpu++) {
      const base = (cpu * portCounterSlots + slot) * ports.stride;
      const read = (at: number): number => Number(ports.view.getBigUint64(base + at, true));
      sum = addCounters(sum, {
        packets: read(port.packets),
        bytes: read(port.bytes),
        syns: read(port.syns),
        synsDropped: read(port.syns_dropped),
        synsReported: read(port.syns_reported),
        redirected: read(port.redirected),
        lastPacketJiffies: read(port.last_packet_jiffies),
      });
    }
  }
  return sum;
}

/** The last packet is the later one. */
function addCounters(left: PortCounters, right: PortCounters): PortCounters {
  return {
    packets: left.packets + right.packets,
    bytes: left.bytes + right.bytes,
    syns: left.syns + right.syns,
    synsDropped: left.synsDropped + right.synsDropped,
    synsReported: left.synsReported + right.synsReported,
    redirected: left.redirected + right.redirected,
    lastPacketJiffies: Math.max(left.lastPacketJiffies, right.lastPacketJiffies),
  };
}

/** What was counted since an earlier reading; no last packet when nothing was. */
export function countedSince(now: PortCounters, before: PortCounters): PortCounters {
  const packets = now.packets - before.packets;
  return {
    packets,
    bytes: now.bytes - before.bytes,
    syns: now.syns - before.syns,
    synsDropped: now.synsDropped - before.synsDropped,
    synsReported: now.synsReported - before.synsReported,
    redirected: now.redirected - before.redirected,
    lastPacketJiffies: packets === 0 ? 0 : now.lastPacketJiffies,
  };
}

/**
 * The sums of one interface: the program counts a packet once, by its port or by the reason it has none.
 * @param slots how many slots were ever given to ports, the common one included
 */
export function readInterfaceCounters(
  name: string,
  arrays: CounterArrays,
  cpus: number,
  slots: number,
): InterfaceCounters {
  const { view, stride } = arrays.unparsed;
  const sum = (at: number): number => {
    let total = 0;
    for (let cpu = 0; cpu < cpus; cpu++) total += Number(view.getBigUint64(cpu * stride + at, true));
    return total;
  };
  const counts = unparsedReasons.map((reason, index) => [reason, sum(own.unparsed + 8 * index)] as const);
  let parsed = zeroPortCounters;
  for (let slot = 0; slot < slots; slot++)
    parsed = addCounters(parsed, readPortCounters([arrays], cpus, slot));
  return {
    name,
    packets: counts.reduce((total, [, count]) => total + count, parsed.packets),
    bytes: parsed.bytes + sum(own.bytes),
    redirected: parsed.redirected,
    dropped: parsed.synsDropped,
    unparsed: Object.fromEntries(counts) as Record<UnparsedReason, number>,
  };
}
