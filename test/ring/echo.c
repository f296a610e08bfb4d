/* A handler in C: answers every request with its own bytes, waiting and waking as docs/handler-protocol.md says. */
#include "aether_ring.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(sizeof(struct aether_ring_header) == 24, "ring header");
_Static_assert(sizeof(struct aether_control) == 4096, "control page");
_Static_assert(offsetof(struct aether_control, entropy) == 16, "entropy");
_Static_assert(offsetof(struct aether_control, restored) == 48, "restored");
_Static_assert(offsetof(struct aether_control, wall_clock_ms) == 56, "wall clock");
_Static_assert(offsetof(struct aether_control, instance) == 64, "instance");
_Static_assert(offsetof(struct aether_control, command_sequence) == 256, "command sequence");
_Static_assert(offsetof(struct aether_control, command) == 264, "command");
_Static_assert(offsetof(struct aether_control, engine_sleeping) == 320, "engine sleeping");
_Static_assert(offsetof(struct aether_control, registered) == 2048, "registered");
_Static_assert(offsetof(struct aether_control, acknowledged) == 2056, "acknowledged");
_Static_assert(offsetof(struct aether_control, status) == 2064, "status");
_Static_assert(offsetof(struct aether_control, handler_sleeping) == 2112, "handler sleeping");
_Static_assert(offsetof(struct aether_control, message) == 2176, "message");

static unsigned char entry[AETHER_RING_MAX_PAYLOAD];
static unsigned char answer[AETHER_RING_MAX_PAYLOAD];
static struct aether_control *control;
static int ctl, req, res, in, out;

static void wake(uint32_t *flag)
{
	if (__atomic_load_n(flag, __ATOMIC_SEQ_CST) == 0)
		return;
	__atomic_store_n(flag, 0, __ATOMIC_SEQ_CST);
	if (write(out, "", 1) < 0 && errno != EAGAIN)
		exit(0);
}

/* Waits until the ring has something, or room: `ready` says which. */
static void doze(struct aether_ring *ring, uint32_t *also, int (*ready)(struct aether_ring *))
{
	struct pollfd bell = {.fd = in, .events = POLLIN};
	char bytes[256];

	__atomic_store_n(&control->handler_sleeping, 1, __ATOMIC_SEQ_CST);
	if (also != NULL)
		__atomic_store_n(also, 1, __ATOMIC_SEQ_CST);
	if (!ready(ring)) {
		poll(&bell, 1, -1);
		if (read(in, bytes, sizeof bytes) == 0)
			exit(0);
	}
	__atomic_store_n(&control->handler_sleeping, 0, __ATOMIC_SEQ_CST);
}

static int has_entry(struct aether_ring *ring)
{
	return __atomic_load_n(&ring->header->head, __ATOMIC_SEQ_CST) != ring->position;
}

static uint64_t wanted_tail;
static int has_room(struct aether_ring *ring)
{
	return __atomic_load_n(&ring->header->tail, __ATOMIC_SEQ_CST) != wanted_tail;
}

int main(void)
{
	struct aether_ring requests, responses;
	int64_t length;
	int error;

	if (sscanf(getenv("AETHER_RING"), "ctl=%d,req=%d,res=%d,in=%d,out=%d", &ctl, &req, &res, &in, &out) != 5)
		return 2;
	control = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ctl, 0);
	if (control == MAP_FAILED || control->magic != AETHER_CONTROL_MAGIC ||
	    aether_ring_attach(&requests, req, 0) != 0 || aether_ring_attach(&responses, res, 1) != 0)
		return 3;
	for (;;) {
		length = aether_ring_read(&requests, entry);
		if (length == AETHER_RING_EMPTY) {
			doze(&requests, NULL, has_entry);
			continue;
		}
		if (length < 15)
			return 4;
		wake(&control->engine_wants_space);
		/* version, type: response; the same request id; encoding; body */
		memcpy(answer, entry, 10);
		answer[1] = 2;
		memcpy(answer + 10, entry + 14, (size_t)length - 14);
		for (;;) {
			wanted_tail = __atomic_load_n(&responses.header->tail, __ATOMIC_SEQ_CST);
			error = aether_ring_write(&responses, answer, (uint32_t)length - 4);
			if (error != AETHER_RING_FULL)
				break;
			doze(&responses, &control->handler_wants_space, has_room);
		}
		if (error != 0)
			return 5;
		wake(&control->engine_sleeping);
	}
}
