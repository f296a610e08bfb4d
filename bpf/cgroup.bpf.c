// SPDX-License-Identifier: Apache-2.0
/*
 * Programs on the engine's root cgroup, in force for every sandbox below it.
 *
 * held_bind4, held_bind6: while the engine holds the listening socket of a port, a cold process could not bind it
 * (EADDRINUSE). On marked ports its socket gets SO_REUSEPORT before it binds, so that it joins the held one's group.
 *
 * count_connections: accepted connections per local port, for the idle clock. A child socket runs the programs of the
 * cgroup of its listener; one that was queued on a listener of the engine itself (lazy start) is not seen here, which
 * is why a decision to sleep also asks the socket tables.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SOL_SOCKET 1
#define SO_REUSEPORT 15
#define PORTS 65536

/* Bumped when a map changes its layout; src/engine/wake/port-programs.ts expects the same number. */
const volatile __u32 abi_version = 1;
/* Set before loading: connections of trials in private network namespaces must not count. */
const volatile __u64 host_netns_cookie = 0;

/* Index: port. Not 0: the engine holds its listener. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u8);
} held_ports SEC(".maps");

struct port_activity_entry {
	__u64 established_total;
	__u64 closed_total;
	__u64 last_change_ns; /* CLOCK_MONOTONIC */
};

/* Index: local port. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_activity_entry);
} port_activity SEC(".maps");

static __always_inline int reuse_held_port(struct bpf_sock_addr *ctx)
{
	__u32 port = bpf_ntohs((__u16)ctx->user_port);
	__u8 *held = bpf_map_lookup_elem(&held_ports, &port);
	int on = 1;

	if (held && *held)
		bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	return 1; /* the bind goes on, whatever came of it: its own error says more */
}

SEC("cgroup/bind4")
int held_bind4(struct bpf_sock_addr *ctx)
{
	return reuse_held_port(ctx);
}

SEC("cgroup/bind6")
int held_bind6(struct bpf_sock_addr *ctx)
{
	return reuse_held_port(ctx);
}

SEC("sockops")
int count_connections(struct bpf_sock_ops *ctx)
{
	struct port_activity_entry *entry;
	__u32 port = ctx->local_port;
	int opened = ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;

	if (!opened && ctx->op != BPF_SOCK_OPS_STATE_CB)
		return 1;
	if (host_netns_cookie != 0 && bpf_get_netns_cookie(ctx) != host_netns_cookie)
		return 1;
	entry = bpf_map_lookup_elem(&port_activity, &port);
	if (!entry)
		return 1;
	if (opened) {
		/* Only sockets counted here report their end: STATE_CB is asked for one by one. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		__sync_fetch_and_add(&entry->established_total, 1);
	} else if (ctx->args[1] == BPF_TCP_CLOSE) {
		__sync_fetch_and_add(&entry->closed_total, 1);
	} else {
		return 1;
	}
	entry->last_change_ns = bpf_ktime_get_ns();
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
