/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the data plane's programs and the engine share: src/engine/dataplane/layout.ts is the other side, and a test
 * compares the two by the object's BTF. Bump XDP_ABI_VERSION on any change.
 */
#ifndef AETHER_BPF_XDP_H
#define AETHER_BPF_XDP_H

#include "common.h"

#define XDP_ABI_VERSION 2

/* Ports that can have counters of their own; index 0 is that of all others. */
#define PORT_COUNTERS 4096
/* Hash rings of ports with several targets, and slots of each; ring 0 is not used. */
#define RINGS 64
#define RING_SLOTS 256

/* Key of port_redirect_map: the array's index is its four bytes, so `pad` is 0. Host byte order. */
struct port_key {
	__u16 port;
	__u16 pad;
};

/* Who has a port. Not a key that is absent but pid 0 and addr 0: nobody. */
struct port_value {
	__u32 pid;
	__u32 addr; /* IPv4, network byte order; 0 or 127.0.0.0/8: on this host, to be passed up */
};

#define PORT_REPORT_SYN 1 /* it sleeps, and wakes at the first SYN */
#define PORT_LIMIT_SYN 2 /* max_connections_per_second is declared */

/* Index: port. */
struct port_settings {
	__u16 counter; /* index of its counters and limits */
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP: packets of the other one are not its own */
	__u8 flags;
	__u16 ring; /* 0: its one target is that of port_redirect_map */
	__u16 reserved;
};

/* Index: cpu * PORT_COUNTERS + counter. One cache line, a map for every interface. */
struct port_counters {
	__u64 packets;
	__u64 bytes; /* whole frames, Ethernet header included */
	__u64 syns;
	__u64 syns_dropped; /* over the limit; counted in packets and syns too */
	__u64 redirected;
	__u64 syns_reported;
	__u64 last_packet_jiffies;
	__u64 reserved;
};

/*
 * Token buckets as the time at which the next token is due (GCRA): one word, so that a compare-and-swap is enough.
 * Index: counter.
 */
struct port_limit {
	__u64 syn_interval_ns;
	__u64 syn_burst_ns;
	__u64 syn_due_ns;
	__u64 report_due_ns;
};

/* Why a packet was passed without a look at its port. */
enum unparsed {
	UNPARSED_SHORT_ETHERNET,
	UNPARSED_NOT_IP,
	UNPARSED_SHORT_IP,
	UNPARSED_BAD_IP4,
	UNPARSED_BAD_IP6,
	UNPARSED_FRAGMENT,
	UNPARSED_EXTENSIONS,
	UNPARSED_OTHER_PROTOCOL,
	UNPARSED_SHORT_TCP,
	UNPARSED_BAD_TCP,
	UNPARSED_SHORT_UDP,
	UNPARSED_BAD_UDP,
	UNPARSED_REASONS,
	PARSED,
};

/* Index: cpu. Packets that have no port; those that have one are in the interface's port_counters. */
struct interface_counters {
	__u64 bytes;
	__u64 unparsed[UNPARSED_REASONS];
};

/* Record of the ring buffer. */
struct syn_event {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u8 source[16]; /* IPv4: the first four bytes */
	__u16 port;
	__u8 family; /* AF_INET or AF_INET6 */
	__u8 reserved[5];
};

/* A slot of a ring; addr 0: the target is gone. */
struct target {
	__u32 addr; /* network byte order */
};

/* Both directions: source and destination as the packet has them. Network byte order. */
struct flow_key {
	__u32 source;
	__u32 destination;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 reserved[3];
};

/* How an instance with a network of its own is reached. Key: its address, network byte order. */
struct neighbour {
	__u32 ifindex; /* the host's end of its veth pair */
	__u32 local_source; /* address that clients on this host have in its eyes; no interface has it */
	__u8 mac[6];
	__u8 host_mac[6]; /* of the host's end */
};

/*
 * What is put in place: in flows of the destination, in replies of the source. `other`: the opposite address, 0 where it
 * stays; it is replaced for clients on this host, whose own address means something else in an instance's network.
 */
struct flow_value {
	__u32 addr;
	__u32 other;
	__u16 port;
	__u16 other_port;
	__u32 ifindex; /* 0: where the routes lead */
	__u8 mac[6];
	__u8 host_mac[6];
};

struct clock_reading {
	__u64 jiffies;
	__u64 monotonic_ns;
};

#endif
