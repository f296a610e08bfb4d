// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The data plane, on the interfaces of engine.data_plane.
 *
 * aether_ports: counts every packet by its port, reports the first SYNs of sleeping ports, drops SYNs over a declared
 * limit, and sends the packets of instances with an address of their own to them. Everything else is passed up: what it
 * does not understand is counted by reason and is the kernel's to judge.
 *
 * aether_replies: on the host's end of such an instance's veth pair; gives the answers the address that was asked, and
 * keeps out what could only be made up.
 *
 * aether_clock: run by the engine (BPF_PROG_RUN), never attached: which jiffy it is now.
 *
 * Cost is what decides here: counters are plain additions to a cache line of this CPU (a program runs with bottom
 * halves off, so nothing else adds to it), and the time is jiffies, a load, where ktime costs 30 ns.
 */
#include "parse.h"

const volatile struct {
	__u32 abi_version;
	__u32 reserved;
	/* No bytes: the layout of what is in no map's type, for the object's BTF. */
	enum unparsed unparsed[0];
	struct port_key port_key[0];
	struct syn_event syn_event[0];
} settings = { .abi_version = XDP_ABI_VERSION };

/* The key is a struct port_key; the kernel takes no key but an integer for the BTF of an array. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_value);
} port_redirect_map SEC(".maps");

/*
 * Index: port. A variable, and so in the map .bss: a look-up without a key on the stack and without a test for its end
 * is half as long.
 */
struct port_settings port_settings[PORTS];

/* A map of its own for every interface. The loader multiplies the entries by the number of possible CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORT_COUNTERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_counters);
} port_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORT_COUNTERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_limit);
} port_limits SEC(".maps");

/* The loader sets the entries to the number of possible CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct interface_counters);
} interface_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} syn_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RINGS * RING_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct target);
} ring_targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct neighbour);
} neighbours SEC(".maps");

/* What a client's packets are sent to: a client stays with its target when the ring changes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} replies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct clock_reading);
} clock SEC(".maps");

/* A port may wake its function by SYNs so often in the long run, and so often at once. */
#define REPORT_INTERVAL_NS 1000000000ull
#define REPORT_BURST_NS (4 * REPORT_INTERVAL_NS)

/* Whether a token is there, which is taken. Contended more often than this loop turns: yes. */
static __always_inline int take_token(__u64 *due, __u64 interval_ns, __u64 burst_ns)
{
	__u64 now = bpf_ktime_get_ns();

#pragma unroll
	for (int tries = 0; tries < 4; tries++) {
		__u64 before = *(volatile __u64 *)due;
		__u64 next = (before > now ? before : now) + interval_ns;

		if (next - now > burst_ns)
			return 0;
		if (__sync_val_compare_and_swap(due, before, next) == before)
			return 1;
	}
	return 1;
}

static __always_inline void report_syn(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct packet parsed, *packet = &parsed;
	struct syn_event *event;

	if (parse(packet, data, end) != PARSED)
		return;
	event = bpf_ringbuf_reserve(&syn_events, sizeof(*event), 0);
	if (!event)
		return; /* full: the engine has enough to do, and the handshake's end wakes the function */
	__builtin_memset(event, 0, sizeof(*event));
	event->at_ns = bpf_ktime_get_ns();
	event->port = packet->port;
	if (packet->ip_protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = packet->ip;

		event->family = AF_INET;
		if ((void *)(ip + 1) <= end)
			__builtin_memcpy(event->source, &ip->saddr, 4);
	} else {
		struct ipv6hdr *ip = packet->ip;

		event->family = AF_INET6;
		if ((void *)(ip + 1) <= end)
			__builtin_memcpy(event->source, &ip->saddr, 16);
	}
	bpf_ringbuf_submit(event, 0);
}

/* Whether the SYN may go on. Apart from the usual way, which keeps its registers for itself. */
static __noinline int admit_syn(struct xdp_md *ctx, struct port_settings *port, struct port_counters *counters)
{
	struct port_limit *limit;
	__u32 index;

	if (!port || !counters)
		return 1;
	index = port->counter;
	counters->syns++;
	if (likely(!port->flags))
		return 1;
	limit = bpf_map_lookup_elem(&port_limits, &index);
	if (!limit)
		return 1;
	if ((port->flags & PORT_LIMIT_SYN) &&
	    !take_token(&limit->syn_due_ns, limit->syn_interval_ns, limit->syn_burst_ns)) {
		counters->syns_dropped++;
		return 0;
	}
	if ((port->flags & PORT_REPORT_SYN) &&
	    take_token(&limit->report_due_ns, REPORT_INTERVAL_NS, REPORT_BURST_NS)) {
		counters->syns_reported++;
		report_syn(ctx);
	}
	return 1;
}

/* RFC 1624: a checksum after one of its words has changed. */
static __always_inline void replace16(__sum16 *sum, __u16 old, __u16 new)
{
	__u32 total = (__u16)~*sum;

	total += (__u16)~old;
	total += new;
	total = (total & 0xffff) + (total >> 16);
	total = (total & 0xffff) + (total >> 16);
	*sum = (__u16)~total;
}

static __always_inline void replace32(__sum16 *sum, __be32 old, __be32 new)
{
	replace16(sum, old & 0xffff, new & 0xffff);
	replace16(sum, old >> 16, new >> 16);
}

/* Of the transport header: the address in its pseudo-header and a port. UDP's 0 says that there is none (RFC 768). */
static __always_inline void replace_transport_sum(const struct packet *packet, void *end, __be32 old_addr,
						  __be32 new_addr, __be16 old_port, __be16 new_port)
{
	if (packet->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = packet->transport;

		if ((void *)(tcp + 1) > end)
			return;
		replace32(&tcp->check, old_addr, new_addr);
		replace16(&tcp->check, old_port, new_port);
	} else {
		struct udphdr *udp = packet->transport;

		if ((void *)(udp + 1) > end || !udp->check)
			return;
		replace32(&udp->check, old_addr, new_addr);
		replace16(&udp->check, old_port, new_port);
		if (!udp->check)
			udp->check = 0xffff;
	}
}

static __always_inline void count_hop(struct iphdr *ip)
{
	__u16 ttl_word = *(__u16 *)&ip->ttl;

	ip->ttl--;
	replace16(&ip->check, ttl_word, *(__u16 *)&ip->ttl);
}

static __always_inline long find_route(struct xdp_md *ctx, const struct iphdr *ip, __u8 protocol,
				       struct bpf_fib_lookup *route)
{
	route->family = AF_INET;
	route->tos = ip->tos;
	route->l4_protocol = protocol;
	route->tot_len = bpf_ntohs(ip->tot_len);
	route->ipv4_src = ip->saddr;
	route->ipv4_dst = ip->daddr;
	route->ifindex = ctx->ingress_ifindex;
	return bpf_fib_lookup(ctx, route, sizeof(*route), 0);
}

/*
 * Sends a rewritten packet where the routes lead. Where they lead nowhere from here (no neighbour yet, too large,
 * forwarding is off), the kernel gets it as rewritten and does what it does with such packets: resolve, answer, forward.
 */
static __always_inline int forward(struct xdp_md *ctx, struct ethhdr *ethernet, struct iphdr *ip, __u8 protocol)
{
	struct bpf_fib_lookup route = {};

	if (find_route(ctx, ip, protocol, &route) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	count_hop(ip);
	__builtin_memcpy(ethernet->h_dest, route.dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, route.smac, ETH_ALEN);
	return bpf_redirect(route.ifindex, 0);
}

/* A packet that this host forwards to another machine is none of its ports', whatever their numbers. */
static __always_inline int passes_through(struct xdp_md *ctx, const struct iphdr *ip, __u8 protocol)
{
	struct bpf_fib_lookup route = {};

	if (ctx->ingress_ifindex == LOOPBACK_IFINDEX)
		return 0;
	switch (find_route(ctx, ip, protocol, &route)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return 1;
	default:
		return 0; /* an address of this host, or it forwards nothing that comes in here */
	}
}

static __always_inline __u32 flow_hash(const struct flow_key *key)
{
	__u32 hash = key->source ^ (((__u32)key->source_port << 16) | key->destination_port) ^
		     (key->destination * 0x9e3779b1u);

	hash ^= hash >> 16;
	hash *= 0x85ebca6bu;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35u;
	return hash ^ (hash >> 16);
}

/* Address of the target of a new flow; 0: none. */
static __always_inline __be32 choose_target(const struct flow_key *key, const struct port_settings *port, __be32 only)
{
	__u32 index = (port->ring % RINGS) * RING_SLOTS + flow_hash(key) % RING_SLOTS;
	struct target *target;

	if (!port->ring)
		return only;
	target = bpf_map_lookup_elem(&ring_targets, &index);
	return target ? target->addr : 0;
}

/* Ports tried for a client on this host whose own is in use by another one; so many at the most. */
#define PORT_TRIES 8

/* Enters how the answers of a new flow go back. False: there is no room for it. */
static __always_inline int remember_reply(const struct flow_key *key, struct flow_value *value)
{
	struct flow_key back = {};
	struct flow_value origin = {};

	back.source = value->addr;
	back.destination = key->source;
	back.source_port = value->port;
	back.destination_port = key->source_port;
	back.protocol = key->protocol;
	origin.addr = key->destination;
	origin.port = key->destination_port;
	if (!value->other)
		return !bpf_map_update_elem(&replies, &back, &origin, BPF_ANY);
	/* 127.0.0.1 and the host's other addresses become one: their ports may be the same. */
	back.destination = value->other;
	origin.other = key->source;
	origin.other_port = key->source_port;
	for (int tries = 0; tries < PORT_TRIES; tries++) {
		value->other_port = back.destination_port;
		if (!bpf_map_update_elem(&replies, &back, &origin, BPF_NOEXIST))
			return 1;
		back.destination_port = bpf_htons(32768 + bpf_get_prandom_u32() % 28000);
	}
	return 0;
}

/* IPv4, not tagged: to the instance that has the flow, or is chosen for it. */
static __noinline int redirect(struct xdp_md *ctx, struct port_settings *port, __u32 only)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct packet packet;
	struct flow_key key = {};
	struct flow_value *known, value = {};
	struct neighbour *neighbour;
	struct iphdr *ip;
	struct udphdr *ports; /* both protocols begin with their ports */

	if (!port || parse(&packet, data, end) != PARSED || packet.is_tagged ||
	    packet.ip_protocol != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	ip = (void *)(ethernet + 1);
	ports = packet.transport;
	if ((void *)(ip + 1) > end || (void *)(ports + 1) > end || ip->ttl <= 1)
		return XDP_PASS;
	key.source = ip->saddr;
	key.destination = ip->daddr;
	key.source_port = ports->source;
	key.destination_port = ports->dest;
	key.protocol = packet.protocol;
	known = bpf_map_lookup_elem(&flows, &key);
	if (known) {
		value = *known;
	} else {
		/* In the middle of a connection nobody knows: the kernel resets it. */
		if (packet.protocol == IPPROTO_TCP && (packet.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
			return XDP_PASS;
		if (passes_through(ctx, ip, packet.protocol))
			return XDP_PASS;
		value.addr = choose_target(&key, port, only);
		value.port = ports->dest;
		if (!value.addr || value.addr == ip->daddr)
			return XDP_PASS;
		neighbour = bpf_map_lookup_elem(&neighbours, &value.addr);
		if (neighbour) {
			value.ifindex = neighbour->ifindex;
			__builtin_memcpy(value.mac, neighbour->mac, ETH_ALEN);
			__builtin_memcpy(value.host_mac, neighbour->host_mac, ETH_ALEN);
			if (ctx->ingress_ifindex == LOOPBACK_IFINDEX)
				value.other = neighbour->local_source;
		}
		/* Without room the client is left to try again. */
		if (!remember_reply(&key, &value) || bpf_map_update_elem(&flows, &key, &value, BPF_ANY))
			return XDP_DROP;
	}
	replace_transport_sum(&packet, end, ip->daddr, value.addr, ports->dest, value.port);
	replace32(&ip->check, ip->daddr, value.addr);
	ip->daddr = value.addr;
	ports->dest = value.port;
	if (value.other) {
		replace_transport_sum(&packet, end, ip->saddr, value.other, ports->source, value.other_port);
		replace32(&ip->check, ip->saddr, value.other);
		ip->saddr = value.other;
		ports->source = value.other_port;
	}
	if (!value.ifindex)
		return forward(ctx, ethernet, ip, packet.protocol);
	count_hop(ip);
	__builtin_memcpy(ethernet->h_dest, value.mac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, value.host_mac, ETH_ALEN);
	return bpf_redirect(value.ifindex, 0);
}

/* On this host, and so the kernel's. */
static __always_inline int is_local(__be32 addr)
{
	return addr == 0 || (addr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __noinline int pass_unparsed(__u32 reason, __u64 bytes)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct interface_counters *interface = bpf_map_lookup_elem(&interface_counters, &cpu);

	if (interface && reason < UNPARSED_REASONS) {
		interface->bytes += bytes;
		interface->unparsed[reason]++;
	}
	return XDP_PASS;
}

SEC("xdp")
int aether_ports(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 index;
	struct port_counters *counters;
	struct port_settings *declared;
	struct port_value *owner;
	struct packet packet;
	enum unparsed reason;
	int verdict;

	if (unlikely(!parse_usual(&packet, data, end))) {
		reason = parse(&packet, data, end);
		if (reason != PARSED)
			return pass_unparsed(reason, end - data);
	}
	declared = &port_settings[packet.port];
	index = bpf_get_smp_processor_id() * PORT_COUNTERS;
	if (likely(declared->protocol == packet.protocol))
		index += declared->counter;
	counters = bpf_map_lookup_elem(&port_counters, &index);
	if (!counters)
		return XDP_PASS;
	counters->packets++;
	counters->bytes += end - data;
	counters->last_packet_jiffies = bpf_jiffies64();
	if (declared->protocol != packet.protocol)
		return XDP_PASS;
	if (unlikely((packet.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) &&
	    !admit_syn(ctx, declared, counters))
		return XDP_DROP;
	index = packet.port; /* a struct port_key */
	owner = bpf_map_lookup_elem(&port_redirect_map, &index);
	if (!owner || likely(!declared->ring && is_local(owner->addr)))
		return XDP_PASS;
	verdict = redirect(ctx, declared, owner->addr);
	if (verdict == XDP_REDIRECT)
		counters->redirected++;
	return verdict;
}

static __always_inline int is_loopback(__be32 addr)
{
	return (addr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

/*
 * Whether an instance may send this. 127.0.0.0/8 is the host's own, and its interface lets such addresses in because
 * answers to clients on this host get them here; what an instance itself writes so is made up. Nobody's address is where
 * answers go that are rewritten here: without a flow they have no way on.
 */
static __always_inline int is_made_up(struct xdp_md *ctx, void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct neighbour *sender;
	__u32 source;

	if ((void *)(ip + 1) > end)
		return 0;
	if (*(__be16 *)(data + __builtin_offsetof(struct ethhdr, h_proto)) != bpf_htons(ETH_P_IP))
		return 0;
	if (is_loopback(ip->saddr) || is_loopback(ip->daddr))
		return 1;
	source = ip->saddr;
	sender = bpf_map_lookup_elem(&neighbours, &source);
	return sender && (sender->ifindex != ctx->ingress_ifindex || sender->local_source == ip->daddr);
}

SEC("xdp")
int aether_replies(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct packet packet;
	struct flow_key key = {};
	struct flow_value *origin;
	struct iphdr *ip;
	struct udphdr *ports;

	if (parse(&packet, data, end) != PARSED || packet.is_tagged || packet.ip_protocol != bpf_htons(ETH_P_IP))
		return is_made_up(ctx, data, end) ? XDP_DROP : XDP_PASS;
	ip = (void *)(ethernet + 1);
	ports = packet.transport;
	if ((void *)(ip + 1) > end || (void *)(ports + 1) > end || ip->ttl <= 1)
		return XDP_DROP;
	key.source = ip->saddr;
	key.destination = ip->daddr;
	key.source_port = ports->source;
	key.destination_port = ports->dest;
	key.protocol = packet.protocol;
	origin = bpf_map_lookup_elem(&replies, &key);
	if (!origin)
		return is_made_up(ctx, data, end) ? XDP_DROP : XDP_PASS;
	replace_transport_sum(&packet, end, ip->saddr, origin->addr, ports->source, origin->port);
	replace32(&ip->check, ip->saddr, origin->addr);
	ip->saddr = origin->addr;
	ports->source = origin->port;
	if (!origin->other)
		return forward(ctx, ethernet, ip, packet.protocol);
	replace_transport_sum(&packet, end, ip->daddr, origin->other, ports->dest, origin->other_port);
	replace32(&ip->check, ip->daddr, origin->other);
	ip->daddr = origin->other;
	ports->dest = origin->other_port;
	return XDP_PASS;
}

SEC("xdp")
int aether_clock(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct clock_reading *reading = bpf_map_lookup_elem(&clock, &zero);

	if (reading) {
		reading->jiffies = bpf_jiffies64();
		reading->monotonic_ns = bpf_ktime_get_ns();
	}
	return XDP_PASS;
}

/* bpf_fib_lookup is for GPL programs; this file may be used under either licence. */
char _license[] SEC("license") = "GPL";
