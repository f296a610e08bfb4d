/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From a frame to its port. Ethernet, up to two VLAN tags, IPv4 with options, IPv6 with extension headers, TCP, UDP.
 * Tags that the card or the driver took out (skb metadata) are not seen, and need not be.
 */
#ifndef AETHER_BPF_PARSE_H
#define AETHER_BPF_PARSE_H

#include "xdp.h"
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
/* include/net/net_namespace.h: the loopback of every network namespace */
#define LOOPBACK_IFINDEX 1

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* IPv6 extension headers followed, and how far (RFC 8200 sets no limit; the verifier needs one). */
#define MAX_EXTENSIONS 6
#define MAX_EXTENSIONS_BYTES 1024

#define IP4_MORE_OR_OFFSET 0x3fff
#define IP6_MORE_OR_OFFSET 0xfff9

struct vlan_tag {
	__be16 control;
	__be16 protocol;
};

struct packet {
	void *ip;
	void *transport;
	__be16 ip_protocol; /* ETH_P_IP or ETH_P_IPV6, network byte order */
	__u8 protocol;
	__u8 is_tagged;
	__u16 port; /* destination, host byte order */
	__u8 tcp_flags;
};

#define TCP_SYN 0x02
#define TCP_ACK 0x10

static __always_inline enum unparsed parse_tcp(struct packet *packet, void *end, __u32 bytes)
{
	struct tcphdr *tcp = packet->transport;
	__u32 header;

	if (unlikely((void *)(tcp + 1) > end || bytes < sizeof(*tcp)))
		return UNPARSED_SHORT_TCP;
	header = (((__u8 *)tcp)[12] >> 4) * 4;
	if (unlikely(header < sizeof(*tcp) || header > bytes))
		return UNPARSED_BAD_TCP;
	packet->port = bpf_ntohs(tcp->dest);
	packet->tcp_flags = ((__u8 *)tcp)[13];
	return PARSED;
}

static __always_inline enum unparsed parse_udp(struct packet *packet, void *end, __u32 bytes)
{
	struct udphdr *udp = packet->transport;
	__u32 length;

	if (unlikely((void *)(udp + 1) > end || bytes < sizeof(*udp)))
		return UNPARSED_SHORT_UDP;
	length = bpf_ntohs(udp->len);
	/* 0 is a jumbogram's (RFC 2675), and what UDP segmentation offload leaves. */
	if (unlikely((length < sizeof(*udp) && length != 0) || length > bytes))
		return UNPARSED_BAD_UDP;
	packet->port = bpf_ntohs(udp->dest);
	packet->tcp_flags = 0;
	return PARSED;
}

static __always_inline enum unparsed parse_transport(struct packet *packet, void *end, __u32 bytes)
{
	if (likely(packet->protocol == IPPROTO_TCP))
		return parse_tcp(packet, end, bytes);
	if (packet->protocol == IPPROTO_UDP)
		return parse_udp(packet, end, bytes);
	return UNPARSED_OTHER_PROTOCOL;
}

/* `bytes`: from the IP header to the end of the frame. */
static __always_inline enum unparsed parse_ip4(struct packet *packet, void *end, __u32 bytes)
{
	struct iphdr *ip = packet->ip;
	__u32 header, total;

	if (unlikely((void *)(ip + 1) > end))
		return UNPARSED_SHORT_IP;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (unlikely(ip->version != 4 || header < sizeof(*ip)))
		return UNPARSED_BAD_IP4;
	/* Frames below 60 bytes are padded; offloaded packets above 64 KiB have a length of 0 (BIG TCP). */
	if (unlikely(total < header || total > bytes)) {
		if (total != 0 || bytes <= 0xffff)
			return UNPARSED_BAD_IP4;
		total = bytes;
	}
	if (unlikely(ip->frag_off & bpf_htons(IP4_MORE_OR_OFFSET)))
		return UNPARSED_FRAGMENT;
	packet->protocol = ip->protocol;
	packet->transport = (void *)ip + header;
	return parse_transport(packet, end, total - header);
}

static __always_inline enum unparsed parse_ip6(struct packet *packet, void *end, __u32 bytes)
{
	struct ipv6hdr *ip = packet->ip;
	__u32 offset = sizeof(*ip), total;
	__u8 next;

	if ((void *)(ip + 1) > end)
		return UNPARSED_SHORT_IP;
	total = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	/* 0: a jumbogram, whose length is in a hop-by-hop option; offloaded packets above 64 KiB look like that. */
	if (total == sizeof(*ip) && bytes > 0xffff)
		total = bytes;
	if (ip->version != 6 || total > bytes)
		return UNPARSED_BAD_IP6;
	next = ip->nexthdr;
#pragma unroll
	for (int count = 0; count <= MAX_EXTENSIONS; count++) {
		__u8 *extension = (void *)ip + offset;

		if (next == IPPROTO_TCP || next == IPPROTO_UDP)
			break;
		if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60 && next != 135 &&
		    next != 139 && next != 140)
			return UNPARSED_OTHER_PROTOCOL;
		if (count == MAX_EXTENSIONS || (void *)(extension + 8) > end)
			return UNPARSED_EXTENSIONS;
		if (next == 44) {
			/* A fragment header of a whole packet (RFC 6946) is like none. */
			if (*(__be16 *)(extension + 2) & bpf_htons(IP6_MORE_OR_OFFSET))
				return UNPARSED_FRAGMENT;
			offset += 8;
		} else {
			/* Authentication headers count in units of four bytes (RFC 4302). */
			offset += next == 51 ? (extension[1] + 2) * 4 : (extension[1] + 1) * 8;
		}
		next = extension[0];
		if (offset > MAX_EXTENSIONS_BYTES || offset > total)
			return UNPARSED_EXTENSIONS;
	}
	packet->protocol = next;
	packet->transport = (void *)ip + offset;
	return parse_transport(packet, end, total - offset);
}

/*
 * What nearly every packet is: IPv4 without options, whole, TCP or UDP, in an Ethernet frame without tags. Everything is
 * at a fixed place then, and half the instructions are enough. 0: it is something else, or something is wrong with it.
 */
static __always_inline int parse_usual(struct packet *packet, void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 total, header;

	if (unlikely((void *)(tcp + 1) > end))
		return 0;
	if (unlikely(*(__be16 *)(data + __builtin_offsetof(struct ethhdr, h_proto)) != bpf_htons(ETH_P_IP) ||
		     *(__u8 *)ip != 0x45 || (ip->frag_off & bpf_htons(IP4_MORE_OR_OFFSET))))
		return 0;
	total = bpf_ntohs(ip->tot_len);
	if (unlikely(total > end - (void *)ip))
		return 0;
	if (likely(ip->protocol == IPPROTO_TCP)) {
		header = (((__u8 *)tcp)[12] >> 4) * 4;
		if (unlikely(header < sizeof(*tcp) || total < sizeof(*ip) + header))
			return 0;
		packet->tcp_flags = ((__u8 *)tcp)[13];
	} else {
		header = bpf_ntohs(((struct udphdr *)tcp)->len);
		if (ip->protocol != IPPROTO_UDP || header < sizeof(struct udphdr) || total < sizeof(*ip) + header)
			return 0;
		packet->tcp_flags = 0;
	}
	packet->protocol = ip->protocol;
	packet->port = bpf_ntohs(tcp->dest);
	return 1;
}

static __always_inline enum unparsed parse(struct packet *packet, void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct vlan_tag *tag = (void *)(ethernet + 1);
	__be16 protocol;

	packet->is_tagged = 0;
	if (unlikely((void *)(ethernet + 1) > end))
		return UNPARSED_SHORT_ETHERNET;
	/* Not by its name: struct ethhdr is packed, and would be read byte by byte. */
	protocol = *(__be16 *)(data + __builtin_offsetof(struct ethhdr, h_proto));
	if (likely(protocol == bpf_htons(ETH_P_IP))) {
		packet->ip = ethernet + 1;
		packet->ip_protocol = protocol;
		return parse_ip4(packet, end, end - packet->ip);
	}
#pragma unroll
	for (int tags = 0; tags < 2; tags++) {
		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return UNPARSED_SHORT_ETHERNET;
		protocol = tag->protocol;
		tag++;
		packet->is_tagged = 1;
	}
	packet->ip = tag;
	packet->ip_protocol = protocol;
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_ip4(packet, end, end - packet->ip);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return parse_ip6(packet, end, end - packet->ip);
	return UNPARSED_NOT_IP;
}

#endif
