/** Why the data plane passed a packet without a look at its port: `enum unparsed` of bpf/xdp.h, in its order. */
export const unparsedReasons = [
  "short_ethernet",
  "not_ip",
  "short_ip",
  "bad_ip4",
  "bad_ip6",
  "fragment",
  "extensions",
  "other_protocol",
  "short_tcp",
  "bad_tcp",
  "short_udp",
  "bad_udp",
] as const;

export type UnparsedReason = (typeof unparsedReasons)[number];
