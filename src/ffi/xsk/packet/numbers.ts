/** Numbers on the wire that packets are told apart by (IANA). */

export const etherTypes = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  /** Outer tag of two (802.1ad). */
  serviceVlan: 0x88a8,
  ipv6: 0x86dd,
} as const;

export const ipProtocols = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

export const icmpTypes = { echoReply: 0, echoRequest: 8 } as const;

/** Flags of a TCP header, by bit. */
export const tcpFlags = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 } as const;

export const arpOperations = { request: 1, reply: 2 } as const;
