// SPDX-License-Identifier: Apache-2.0
/*
 * Redirects the packets of a filter to the AF_XDP socket of their queue. Everything else passes to the stack as if the
 * program were not there; so does everything when no socket has the queue (closed, or its process is gone).
 *
 * The filter is that of src/ffi/xsk/filter.ts, which decides the same way for the simulator. User space changes it in one
 * step: it writes the slot and the entries of the next generation, and then the generation itself. Entries of ports and
 * addresses count only while they carry the generation in force.
 */
#include <linux/in.h>
#include "common.h"

#define ETH_IPV4 0x0800
#define ETH_ARP 0x0806
#define ETH_VLAN 0x8100
#define ETH_SERVICE_VLAN 0x88a8
#define ETH_IPV6 0x86dd

#define FILTER_EVERYTHING 1
#define FILTER_ARP 2
#define FILTER_PROTOCOLS 4
#define FILTER_PORTS 8
#define FILTER_ADDRESSES 16

/* Set before loading. */
const volatile struct {
	/* src/ffi/xsk/xdp-program.ts expects the same number. */
	__u32 abi_version;
	/* A longer packet would not fit a frame and be lost: it passes. Local senders send up to 64 kB at once. */
	__u32 max_packet_bytes;
} settings = { .abi_version = 1 };

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct filter_slot {
	__u32 flags;
	__u32 reserved;
	__u32 protocols[8]; /* one bit each */
};

/* Element 0: the generation in force, in `flags`. Elements 1 and 2: the filters of even and odd generations. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct filter_slot);
} filters SEC(".maps");

/* Index: destination port, host byte order. Value: generation. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
} filter_ports SEC(".maps");

struct address {
	__u32 words[4]; /* IPv4 as ::ffff:a.b.c.d */
};

/* Twice the limit of a filter: old and new entries are there for a moment together. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct address);
	__type(value, __u32);
} filter_addresses SEC(".maps");

struct ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 total;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6 {
	__be32 first;
	__be16 payload;
	__u8 next_header;
	__u8 hop_limit;
	struct address source;
	struct address destination;
};

struct arp {
	__u8 before[24];
	__be32 target;
} __attribute__((packed));

/* What the filter asks about. */
struct found {
	int arp;
	int protocol; /* -1: none */
	int has_address;
	int port; /* -1: none */
	struct address destination;
};

static __always_inline void ipv4_address(struct found *found, __be32 address)
{
	found->has_address = 1;
	found->destination.words[0] = 0;
	found->destination.words[1] = 0;
	found->destination.words[2] = bpf_htonl(0xffff);
	found->destination.words[3] = address;
}

/* Ports of TCP and UDP, where the whole header is within the packet of `end`. */
static __always_inline void ports(struct found *found, void *at, void *end, void *data_end)
{
	__u32 bytes = found->protocol == IPPROTO_TCP ? 20 : 8;

	if (found->protocol != IPPROTO_TCP && found->protocol != IPPROTO_UDP)
		return;
	if (at + bytes > end || at + 20 > data_end) {
		/* The verifier wants a bound that it can follow: UDP's header is shorter. */
		if (found->protocol != IPPROTO_UDP || at + 8 > end || at + 8 > data_end)
			return;
	}
	if (at + 4 > data_end)
		return;
	found->port = bpf_ntohs(((__be16 *)at)[1]);
}

static __always_inline void parse_ipv4(struct found *found, void *at, void *data_end)
{
	struct ipv4 *ip = at;
	__u32 header, total;

	if ((void *)(ip + 1) > data_end)
		return;
	header = (ip->version_ihl & 0x0f) * 4;
	total = bpf_ntohs(ip->total);
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip) || at + header > data_end)
		return;
	if (total < header || at + total > data_end)
		return;
	found->protocol = ip->protocol;
	ipv4_address(found, ip->destination);
	if (!(ip->fragment & bpf_htons(0x1fff)))
		ports(found, at + header, at + total, data_end);
}

static __always_inline void parse_ipv6(struct found *found, void *at, void *data_end)
{
	struct ipv6 *ip = at;
	__u32 payload;

	if ((void *)(ip + 1) > data_end)
		return;
	payload = bpf_ntohs(ip->payload);
	if ((*(__u8 *)at) >> 4 != 6 || at + sizeof(*ip) + payload > data_end)
		return;
	found->protocol = ip->next_header;
	found->has_address = 1;
	found->destination = ip->destination;
	ports(found, at + sizeof(*ip), at + sizeof(*ip) + payload, data_end);
}

static __always_inline int matches(const struct filter_slot *slot, const struct found *found, __u32 generation)
{
	__u32 *entry, key;

	if (slot->flags & FILTER_PROTOCOLS) {
		if (found->arp) {
			if (!(slot->flags & FILTER_ARP))
				return 0;
		} else {
			if (found->protocol < 0)
				return 0;
			if (!(slot->protocols[(found->protocol >> 5) & 7] & (1u << (found->protocol & 31))))
				return 0;
		}
	}
	if (slot->flags & FILTER_PORTS) {
		if (found->port < 0)
			return 0;
		key = found->port & 0xffff;
		entry = bpf_map_lookup_elem(&filter_ports, &key);
		if (!entry || *entry != generation)
			return 0;
	}
	if (slot->flags & FILTER_ADDRESSES) {
		if (!found->has_address)
			return 0;
		entry = bpf_map_lookup_elem(&filter_addresses, &found->destination);
		if (!entry || *entry != generation)
			return 0;
	}
	return 1;
}

SEC("xdp")
int redirect_to_xsk(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct found found = { .protocol = -1, .port = -1 };
	struct filter_slot *slot;
	__u32 key = 0, generation;
	__be16 type;
	void *at = data + 12;
	int tags;

	slot = bpf_map_lookup_elem(&filters, &key);
	if (!slot)
		return XDP_PASS;
	generation = *(volatile __u32 *)&slot->flags;
	key = 1 + (generation & 1);
	slot = bpf_map_lookup_elem(&filters, &key);
	if (!slot || data_end - data > settings.max_packet_bytes)
		return XDP_PASS;
	if (slot->flags & FILTER_EVERYTHING)
		return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
	if (at + 2 > data_end)
		return XDP_PASS;
	type = *(__be16 *)at;
#pragma unroll
	for (tags = 0; tags < 2; tags++) {
		if (type != bpf_htons(ETH_VLAN) && type != bpf_htons(ETH_SERVICE_VLAN))
			break;
		at += 4;
		if (at + 2 > data_end)
			return XDP_PASS;
		type = *(__be16 *)at;
	}
	at += 2;
	if (type == bpf_htons(ETH_IPV4)) {
		parse_ipv4(&found, at, data_end);
	} else if (type == bpf_htons(ETH_IPV6)) {
		parse_ipv6(&found, at, data_end);
	} else if (type == bpf_htons(ETH_ARP)) {
		struct arp *arp = at;

		if ((void *)(arp + 1) <= data_end) {
			found.arp = 1;
			ipv4_address(&found, arp->target);
		}
	}
	if (!matches(slot, &found, generation))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "Apache-2.0";
