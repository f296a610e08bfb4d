// SPDX-License-Identifier: Apache-2.0
/*
 * What `aether bench xdp` is held against: receive, transmit and forward as a C program does it, on libxdp's rings and on a
 * packet socket (AF_PACKET, recvmmsg and sendmmsg), and the generator of the packets.
 *
 *   xdp-baseline libxdp|packet rx|tx|l2fwd DEVICE BATCH MS OBJECT      prints "PACKETS NANOSECONDS"
 *   xdp-baseline libxdp gen DEVICE BATCH 0 OBJECT                      sends until its stdin ends
 *
 * The steps are those of the library: take completions, keep the fill ring filled, swap the addresses of what is forwarded,
 * call the kernel until it has taken the batch. Busy, without poll. OBJECT is bpf/xsk.bpf.o, the same for both.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <xdp/xsk.h>

#define FRAMES 4096
#define FRAME_BYTES 2048
#define RING 2048
#define FILL_TARGET 2048
#define PACKET_BYTES 60
#define MAX_BATCH 256
#define WARM_UP_NS 20000000ull

static const char *device;
static unsigned batch;
static uint64_t run_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void fill_packet(uint8_t *at)
{
	static const uint8_t head[14] = { 2, 0, 0, 0, 0, 0xa, 2, 0, 0, 0, 0, 0xb, 0x88, 0xb5 };

	memset(at, 0x55, PACKET_BYTES);
	memcpy(at, head, sizeof(head));
}

static void swap_addresses(uint8_t *at)
{
	uint8_t mac[6];

	memcpy(mac, at, 6);
	memcpy(at, at + 6, 6);
	memcpy(at + 6, mac, 6);
}

/* Counts from the end of the warm-up to the end of the run. Returns 0 when that is reached. */
static uint64_t started, counted_from, counted, counted_until;

static int goes_on(uint64_t packets)
{
	uint64_t now = now_ns();

	if (!started)
		started = now;
	if (!counted_from) {
		if (now - started >= WARM_UP_NS)
			counted_from = now;
		return 1;
	}
	counted += packets;
	counted_until = now;
	return now - counted_from < run_ns;
}

static void report(void)
{
	printf("%llu %llu\n", (unsigned long long)counted, (unsigned long long)(counted_until - counted_from));
}

/* --- libxdp --- */

static struct xsk_ring_prod fill_ring, tx;
static struct xsk_ring_cons completion, rx;
static struct xsk_socket *xsk;
static uint8_t *frames;
static uint64_t stack[FRAMES];
static unsigned free_count, filled;

static void open_xsk(const char *object_path, int with_program)
{
	struct xsk_umem_config umem_config = {
		.fill_size = RING, .comp_size = RING, .frame_size = FRAME_BYTES,
	};
	struct xsk_socket_config config = {
		.rx_size = RING,
		.tx_size = RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	struct xsk_umem *umem;
	int error = 0, tries;

	frames = mmap(NULL, (size_t)FRAMES * FRAME_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (frames == MAP_FAILED)
		die("mmap");
	/* libxdp prints a line for every try that finds the queue busy. */
	for (tries = 0; tries < 500; tries++) {
		umem = NULL;
		if (xsk_umem__create(&umem, frames, (uint64_t)FRAMES * FRAME_BYTES, &fill_ring, &completion,
				     &umem_config))
			die("xsk_umem__create");
		error = xsk_socket__create(&xsk, device, 0, umem, &rx, &tx, &config);
		if (!error)
			break;
		xsk_umem__delete(umem);
		if (error != -EBUSY)
			break;
		usleep(2000);
	}
	if (error) {
		errno = -error;
		die("xsk_socket__create");
	}
	for (free_count = 0; free_count < FRAMES; free_count++)
		stack[free_count] = (uint64_t)(FRAMES - 1 - free_count) * FRAME_BYTES;
	if (with_program) {
		struct bpf_object *object = bpf_object__open_file(object_path, NULL);
		struct bpf_map *map;
		uint32_t key = 1, queue = 0, fd = xsk_socket__fd(xsk);
		struct { uint32_t flags, reserved, protocols[8]; } everything = { .flags = 1 };

		if (!object)
			die("bpf_object__open_file");
		bpf_object__for_each_map(map, object) {
			size_t size;
			uint32_t *rodata;

			if (!strstr(bpf_map__name(map), ".rodata"))
				continue;
			rodata = (uint32_t *)bpf_map__initial_value(map, &size);
			rodata[1] = FRAME_BYTES - 256;
		}
		if (bpf_object__load(object))
			die("bpf_object__load");
		if (!bpf_program__attach_xdp(bpf_object__find_program_by_name(object, "redirect_to_xsk"),
					     if_nametoindex(device)))
			die("bpf_program__attach_xdp");
		if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "filters"), &key, &everything, 0) ||
		    bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "xsks_map"), &queue, &fd, 0))
			die("bpf_map_update_elem");
	}
}

static void reclaim(void)
{
	uint32_t at, index, count;

	while ((count = xsk_ring_cons__peek(&completion, RING, &index))) {
		for (at = 0; at < count; at++)
			stack[free_count++] = *xsk_ring_cons__comp_addr(&completion, index + at) &
					      ~(uint64_t)(FRAME_BYTES - 1);
		xsk_ring_cons__release(&completion, count);
	}
}

static void refill(void)
{
	uint32_t at, index, want = FILL_TARGET - filled;

	if (want > free_count)
		want = free_count;
	want = xsk_prod_nb_free(&fill_ring, want) < want ? 0 : want;
	if (!want || xsk_ring_prod__reserve(&fill_ring, want, &index) != want)
		return;
	for (at = 0; at < want; at++)
		*xsk_ring_prod__fill_addr(&fill_ring, index + at) = stack[--free_count];
	xsk_ring_prod__submit(&fill_ring, want);
	filled += want;
}

static void kick(void)
{
	int tries;

	for (tries = 0; tries < RING / 32 + 2; tries++) {
		if (!xsk_ring_prod__needs_wakeup(&tx))
			return;
		if (sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return;
		if (errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
			die("sendto");
		reclaim();
	}
}

static void send_frames(const uint64_t *addresses, const uint32_t *lengths, unsigned count)
{
	uint32_t at, index;

	while (xsk_ring_prod__reserve(&tx, count, &index) != count) {
		kick();
		reclaim();
	}
	for (at = 0; at < count; at++) {
		struct xdp_desc *desc = xsk_ring_prod__tx_desc(&tx, index + at);

		desc->addr = addresses[at];
		desc->len = lengths[at];
		desc->options = 0;
	}
	xsk_ring_prod__submit(&tx, count);
	kick();
}

static unsigned receive_frames(uint64_t *addresses, uint32_t *lengths)
{
	uint32_t at, index, count = xsk_ring_cons__peek(&rx, batch, &index);

	for (at = 0; at < count; at++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&rx, index + at);

		addresses[at] = desc->addr;
		lengths[at] = desc->len;
	}
	if (count)
		xsk_ring_cons__release(&rx, count);
	filled -= count;
	return count;
}

/* Every packet is looked at, also where it is only received. */
static volatile uint64_t seen;

static void run_libxdp(const char *mode, const char *object)
{
	uint64_t addresses[MAX_BATCH];
	uint32_t lengths[MAX_BATCH];
	unsigned at, count;
	int sends = !strcmp(mode, "tx") || !strcmp(mode, "gen"), forwards = !strcmp(mode, "l2fwd");
	struct pollfd end = { .fd = 0, .events = POLLIN };
	uint64_t turns = 0;

	open_xsk(object, !sends);
	if (sends) {
		for (;;) {
			reclaim();
			for (count = 0; count < batch && free_count; count++) {
				addresses[count] = stack[--free_count] + 256;
				lengths[count] = PACKET_BYTES;
				fill_packet(frames + addresses[count]);
			}
			if (count)
				send_frames(addresses, lengths, count);
			else
				kick();
			if (strcmp(mode, "gen")) {
				if (!goes_on(count))
					return;
			} else if ((++turns & 1023) == 0 && poll(&end, 1, 0) != 0) {
				return;
			}
		}
	}
	do {
		reclaim();
		refill();
		count = receive_frames(addresses, lengths);
		for (at = 0; at < count; at++) {
			uint8_t *packet = frames + addresses[at];

			if (forwards)
				swap_addresses(packet);
			else
				stack[free_count++] = addresses[at] & ~(uint64_t)(FRAME_BYTES - 1);
			seen += packet[0];
		}
		if (forwards && count)
			send_frames(addresses, lengths, count);
	} while (goes_on(count));
}

/* --- AF_PACKET --- */

static void run_packet(const char *mode)
{
	static uint8_t buffers[MAX_BATCH][FRAME_BYTES];
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(device),
	};
	struct mmsghdr messages[MAX_BATCH] = { 0 };
	struct iovec vectors[MAX_BATCH];
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, bytes = 8 << 20, sends = !strcmp(mode, "tx"), count;
	unsigned at;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	for (at = 0; at < MAX_BATCH; at++) {
		fill_packet(buffers[at]);
		vectors[at] = (struct iovec){ buffers[at], sends ? PACKET_BYTES : FRAME_BYTES };
		messages[at].msg_hdr.msg_iov = &vectors[at];
		messages[at].msg_hdr.msg_iovlen = 1;
	}
	do {
		if (sends) {
			count = sendmmsg(fd, messages, batch, MSG_DONTWAIT);
		} else {
			for (at = 0; at < batch; at++)
				vectors[at].iov_len = FRAME_BYTES;
			count = recvmmsg(fd, messages, batch, MSG_DONTWAIT, NULL);
			if (count > 0 && !strcmp(mode, "l2fwd")) {
				for (at = 0; at < (unsigned)count; at++) {
					swap_addresses(buffers[at]);
					vectors[at].iov_len = messages[at].msg_len;
				}
				count = sendmmsg(fd, messages, count, MSG_DONTWAIT);
			}
		}
		if (count < 0 && errno != EAGAIN && errno != ENOBUFS)
			die("mmsg");
	} while (goes_on(count < 0 ? 0 : count));
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	device = argv[3];
	batch = atoi(argv[4]);
	run_ns = atoll(argv[5]) * 1000000ull;
	if (batch < 1 || batch > MAX_BATCH)
		return 2;
	libbpf_set_print(NULL);
	if (!strcmp(argv[1], "packet"))
		run_packet(argv[2]);
	else
		run_libxdp(argv[2], argv[6]);
	if (strcmp(argv[2], "gen"))
		report();
	return 0;
}
