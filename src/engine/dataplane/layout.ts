/**
 * The other side of bpf/xdp.h: sizes and offsets in bytes. test/integration/xdp-layout.test.ts compares them with the
 * compiled object's own description (BTF).
 */

import type { TransportProtocol } from "../../protocol/config.ts";

export const abiVersion = 2;

export const portCount = 65_536;
export const portCounterSlots = 4096;
export const ringCount = 64;
export const ringSlots = 256;

export const structs = {
  port_key: { size: 4, fields: { port: 0, pad: 2 } },
  port_value: { size: 8, fields: { pid: 0, addr: 4 } },
  port_settings: { size: 8, fields: { counter: 0, protocol: 2, flags: 3, ring: 4 } },
  port_counters: {
    size: 64,
    fields: {
      packets: 0,
      bytes: 8,
      syns: 16,
      syns_dropped: 24,
      redirected: 32,
      syns_reported: 40,
      last_packet_jiffies: 48,
    },
  },
  port_limit: {
    size: 32,
    fields: { syn_interval_ns: 0, syn_burst_ns: 8, syn_due_ns: 16, report_due_ns: 24 },
  },
  interface_counters: { size: 104, fields: { bytes: 0, unparsed: 8 } },
  syn_event: { size: 32, fields: { at_ns: 0, source: 8, port: 24, family: 26 } },
  target: { size: 4, fields: { addr: 0 } },
  flow_key: {
    size: 16,
    fields: { source: 0, destination: 4, source_port: 8, destination_port: 10, protocol: 12 },
  },
  neighbour: { size: 20, fields: { ifindex: 0, local_source: 4, mac: 8, host_mac: 14 } },
  flow_value: {
    size: 28,
    fields: { addr: 0, other: 4, port: 8, other_port: 10, ifindex: 12, mac: 16, host_mac: 22 },
  },
  clock_reading: { size: 16, fields: { jiffies: 0, monotonic_ns: 8 } },
} as const;

/** PORT_* */
export const portFlags = { reportSyn: 1, limitSyn: 2 } as const;

/** IP protocol numbers. */
export const ipProtocols = { tcp: 6, udp: 17 } as const satisfies Record<TransportProtocol, number>;
