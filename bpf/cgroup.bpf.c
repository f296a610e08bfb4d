// SPDX-License-Identifier: Apache-2.0
/*
 * Programs on the engine's root cgroup, in force for every sandbox below it.
 *
 * held_bind4, held_bind6: while the engine holds the listening socket of a port, a cold process could not bind it
 * (EADDRINUSE). On marked ports its socket gets SO_REUSEPORT before it binds, so that it joins the held one's group.
 *
 * count_connections: accepted connections per local port, for the idle clock. Which connections it sees (each line is a
 * case of test/integration/bpf-cgroup.test.ts):
 * - An accepted socket belongs to the cgroup its listener had when the handshake ended (sock_cgroup_data is copied by
 *   sk_clone), and that is the cgroup of the process that once made the listener. So connections on a held listener
 *   count, though the engine holds it from outside: also after the function's processes have ended, and after the
 *   function's cgroup was removed (the socket keeps the dead cgroup and its programs alive).
 * - Migration to another listener (tcp_migrate_req) moves a queued connection as it is: it stays with the cgroup of the
 *   listener it arrived on, and is counted once.
 * - So what was queued on a listener that the engine itself opened (placeholder of a lazy start) is not counted, even
 *   after it was handed over to a function; neither its beginning nor its end.
 * - Half-done handshakes (SYN received, no ACK yet) are completed on the successor and count by its cgroup.
 * - CRIU's restored TCP connections (connections: keep) are made by TCP_REPAIR, not accepted: not counted.
 * - In an instance's own network namespace the same is counted, for the instance instead of the port.
 * The counts are a hint therefore: they must never be the only reason to put a function to sleep.
 *
 * "Closed" is TCP_CLOSE: both sides are done, or the kernel has given up. A connection the function has closed while
 * its client does not answer stays open here until its retries end (net.ipv4.tcp_orphan_retries).
 */
#include "common.h"

/* Set before loading. The engine writes by offset: fields keep their places. */
const volatile struct {
	/* Bumped when a map or this struct changes; src/engine/wake/port-programs.ts expects the same number. */
	__u32 abi_version;
	__u32 reserved;
	/* The engine's network namespace; 0: all are. Trial restores bind and accept in private ones, which do not count. */
	__u64 host_netns_cookie;
} settings = { .abi_version = 3 };

/* Instances with a network namespace of their own (network: private), most. Slot 0 is not used. */
#define SLOTS 4096

#define ETH_P_IP 0x0800
#define IP4_DESTINATION_AT 16

#define HELD_TCP 1
#define HELD_UDP 2

/* Index: port. HELD_*: the engine holds its listener, or its UDP socket. */
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

/* Index: slot of an instance with a network of its own. All its ports are one function's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_activity_entry);
} slot_activity SEC(".maps");

/* Cookie of an instance's network namespace -> its slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SLOTS);
	__type(key, __u64);
	__type(value, __u32);
} slot_of_netns SEC(".maps");

/* IPv4 address of such an instance, network byte order -> its slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} slot_of_address SEC(".maps");

struct slot_port {
	__u32 slot;
	__u16 port;
	__u16 reserved;
};

/* HELD_*, as in held_ports. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * SLOTS);
	__type(key, struct slot_port);
	__type(value, __u8);
} held_slot_ports SEC(".maps");

static __always_inline int foreign_netns(__u64 cookie)
{
	return settings.host_netns_cookie != 0 && cookie != settings.host_netns_cookie;
}

/* HELD_* of a port in a network namespace; 0: not held. */
static __always_inline __u8 held_in(__u64 cookie, __u16 port)
{
	struct slot_port key = { .port = port };
	__u32 index = port, *slot;
	__u8 *held;

	if (!foreign_netns(cookie)) {
		held = bpf_map_lookup_elem(&held_ports, &index);
		return held ? *held : 0;
	}
	slot = bpf_map_lookup_elem(&slot_of_netns, &cookie);
	if (!slot)
		return 0;
	key.slot = *slot;
	held = bpf_map_lookup_elem(&held_slot_ports, &key);
	return held ? *held : 0;
}

/* Where connections to a port are counted; none: in a namespace that does not count. */
static __always_inline struct port_activity_entry *activity_in(__u64 cookie, __u32 port)
{
	__u32 *slot;

	if (!foreign_netns(cookie))
		return bpf_map_lookup_elem(&port_activity, &port);
	slot = bpf_map_lookup_elem(&slot_of_netns, &cookie);
	return slot ? bpf_map_lookup_elem(&slot_activity, slot) : 0;
}

/* Always allows the bind, whatever came of it: the bind's own error says more. */
static __always_inline int reuse_held_port(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs((__u16)ctx->user_port);
	int on = 1;

	/* A port of the same number and the other protocol is none of ours. */
	if (held_in(bpf_get_netns_cookie(ctx), port) != (ctx->type == SOCK_STREAM ? HELD_TCP : HELD_UDP))
		return 1;
	bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	return 1;
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
	__u32 port = ctx->local_port; /* host byte order, IPv4 and IPv6 */
	int opened = ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
	int closed = ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE;

	if (!opened && !closed)
		return 1;
	entry = activity_in(bpf_get_netns_cookie(ctx), port);
	if (!entry)
		return 1;
	if (opened) {
		/* Only sockets counted here report their end: STATE_CB is asked for one by one. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		__sync_fetch_and_add(&entry->established_total, 1);
	} else {
		__sync_fetch_and_add(&entry->closed_total, 1);
	}
	entry->last_change_ns = bpf_ktime_get_ns();
	return 1;
}

/*
 * UDP has no connections: any datagram to a held port counts as activity. Runs for every packet that a function gets, and
 * so is attached only where there is a UDP function.
 */
SEC("cgroup_skb/ingress")
int count_datagrams(struct __sk_buff *ctx)
{
	struct port_activity_entry *entry;
	struct bpf_sock *sk = ctx->sk;
	__u32 port, address, *slot;
	__u8 *held;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_UDP)
		return 1;
	/* By its address: programs on packets get to know no namespace before Linux 6.15. Data begins at the IP header. */
	if (ctx->protocol == bpf_htons(ETH_P_IP) && !bpf_skb_load_bytes(ctx, IP4_DESTINATION_AT, &address, 4)) {
		slot = bpf_map_lookup_elem(&slot_of_address, &address);
		if (slot) {
			entry = bpf_map_lookup_elem(&slot_activity, slot);
			if (entry)
				entry->last_change_ns = bpf_ktime_get_coarse_ns();
			return 1;
		}
	}
	port = sk->src_port; /* host byte order */
	held = bpf_map_lookup_elem(&held_ports, &port);
	if (!held || *held != HELD_UDP)
		return 1;
	entry = bpf_map_lookup_elem(&port_activity, &port);
	if (entry)
		entry->last_change_ns = bpf_ktime_get_coarse_ns();
	return 1;
}

/* No helper in use is reserved for GPL programs. */
char _license[] SEC("license") = "Apache-2.0";
