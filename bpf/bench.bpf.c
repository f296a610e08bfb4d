// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What `aether bench dataplane` measures the data plane against. */
#include "parse.h"

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* The least that knows a port: Ethernet, IPv4, the port, one count. */
SEC("xdp")
int bench_least(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *ports;
	struct count *count;
	__u32 port;

	if ((void *)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	ports = (void *)ip + ip->ihl * 4;
	if ((void *)(ports + 1) > end)
		return XDP_PASS;
	port = bpf_ntohs(ports->dest);
	count = bpf_map_lookup_elem(&counts, &port);
	if (!count)
		return XDP_PASS;
	count->packets++;
	count->bytes += end - data;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
