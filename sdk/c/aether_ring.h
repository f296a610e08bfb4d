/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared-memory ring of Aether, for handlers in C and whatever can include it. One producer, one consumer, one thread
 * each. All integers are little endian; so must the machine be. See docs/handler-protocol.md.
 *
 * AETHER_RING names the descriptors: "ctl=60,req=61,res=62,in=63,out=64". `req` is read by the handler, `res` written by
 * it; map each with aether_ring_attach(). `in` is a pipe with a byte for every wake-up of the handler, `out` one to wake
 * the engine; both are needed only when the other side says in the control page that it sleeps.
 */
#ifndef AETHER_RING_H
#define AETHER_RING_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AETHER_RING_HEADER 24u
#define AETHER_RING_SKIP 0xffffffffu
#define AETHER_RING_MIN_CAPACITY 4096u
#define AETHER_RING_MAX_PAYLOAD 65536u

/* Results below zero. */
enum {
	AETHER_RING_FULL = -1,     /* no room just now */
	AETHER_RING_EMPTY = -2,    /* nothing to read */
	AETHER_RING_TOO_LARGE = -3, /* payload above aether_ring_limit() */
	AETHER_RING_CORRUPTED = -4, /* the ring holds what the layout forbids */
	AETHER_RING_CHECKSUM = -5, /* an entry does not have the checksum it says */
	AETHER_RING_SYSTEM = -6,   /* see errno */
};

/* Shared memory: head and tail only ever grow. */
struct aether_ring_header {
	uint64_t head;     /* bytes ever written; stored by the producer alone */
	uint64_t tail;     /* bytes ever consumed; stored by the consumer alone */
	uint64_t capacity; /* bytes of the data region that follows; a power of two */
};

/* One end of a ring, in memory of one's own. */
struct aether_ring {
	struct aether_ring_header *header;
	unsigned char *data;
	uint64_t capacity;
	uint64_t position; /* head of a producer, tail of a consumer */
};

/*
 * The control page, 4096 bytes. The upper half is the engine's, the lower half the handler's; each only reads the other's.
 */
#define AETHER_CONTROL_MAGIC 0x48544541u
struct aether_control {
	uint32_t magic, version; /* version 1 */
	uint64_t generation;     /* another one after every wake: whatever was seeded before must be seeded anew */
	uint8_t entropy[32];     /* fresh with every generation */
	uint32_t restored, reserved;
	uint64_t wall_clock_ms; /* when this instance was started or woken */
	char instance[128];     /* NUL-terminated */
	uint8_t unused1[64];
	uint64_t command_sequence; /* at 256: another one when there is a command */
	uint32_t command;          /* AETHER_COMMAND_... */
	uint8_t unused2[52];
	uint32_t engine_sleeping;    /* at 320: write a byte into `out` after an entry, and set it to 0 */
	uint32_t engine_wants_space; /* the same after an entry was consumed */
	uint8_t unused3[1720];
	uint32_t registered; /* at 2048: AETHER_REGISTERED_... */
	uint32_t reserved2;
	uint64_t acknowledged; /* at 2056: command_sequence of the command that is done */
	uint32_t status;       /* 0: done; 1: refused, with the reason in `message` */
	uint32_t message_length;
	uint8_t unused4[40];
	uint32_t handler_sleeping; /* at 2112: the engine writes a byte into `in` after an entry or a command */
	uint32_t handler_wants_space;
	uint8_t unused5[56];
	char message[1024]; /* at 2176, UTF-8 */
	uint8_t unused6[896];
};

#define AETHER_COMMAND_BEFORE_SNAPSHOT 1u
#define AETHER_COMMAND_AFTER_RESTORE 2u
#define AETHER_COMMAND_RESUME 3u /* the snapshot was given up: go on */

#define AETHER_REGISTERED_ATTACHED 1u
#define AETHER_REGISTERED_HOOKS 2u  /* wants commands, and acknowledges them */
#define AETHER_REGISTERED_EVENTS 4u /* serves invocations over the ring */

static inline uint64_t aether_ring_limit(uint64_t capacity)
{
	uint64_t half = capacity / 2 - 8;
	return half < AETHER_RING_MAX_PAYLOAD ? half : AETHER_RING_MAX_PAYLOAD;
}

/* Maps a ring; `producer` says which end is wanted. 0, AETHER_RING_SYSTEM or AETHER_RING_CORRUPTED. */
static inline int aether_ring_attach(struct aether_ring *ring, int fd, int producer)
{
	struct stat info;
	void *memory;

	if (fstat(fd, &info) < 0)
		return AETHER_RING_SYSTEM;
	if (info.st_size < (off_t)(AETHER_RING_HEADER + AETHER_RING_MIN_CAPACITY))
		return AETHER_RING_CORRUPTED;
	memory = mmap(0, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return AETHER_RING_SYSTEM;
	ring->header = (struct aether_ring_header *)memory;
	ring->data = (unsigned char *)memory + AETHER_RING_HEADER;
	ring->capacity = __atomic_load_n(&ring->header->capacity, __ATOMIC_RELAXED);
	if (ring->capacity < AETHER_RING_MIN_CAPACITY || (ring->capacity & (ring->capacity - 1)) != 0 ||
	    ring->capacity > (uint64_t)info.st_size - AETHER_RING_HEADER) {
		munmap(memory, (size_t)info.st_size);
		return AETHER_RING_CORRUPTED;
	}
	ring->position = __atomic_load_n(producer ? &ring->header->head : &ring->header->tail, __ATOMIC_ACQUIRE);
	return 0;
}

/* CRC-32 (IEEE 802.3, reflected). */
static inline uint32_t aether_crc32(const unsigned char *bytes, uint64_t length)
{
	static uint32_t table[256];
	static int made;
	uint32_t crc = 0xffffffffu;

	if (!__atomic_load_n(&made, __ATOMIC_ACQUIRE)) {
		for (uint32_t byte = 0; byte < 256; byte++) {
			uint32_t value = byte;
			for (int bit = 0; bit < 8; bit++)
				value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
			table[byte] = value;
		}
		__atomic_store_n(&made, 1, __ATOMIC_RELEASE);
	}
	for (uint64_t index = 0; index < length; index++)
		crc = table[(crc ^ bytes[index]) & 0xff] ^ crc >> 8;
	return ~crc;
}

static inline uint64_t aether_ring_entry(uint64_t length)
{
	return 8 + ((length + 7) & ~(uint64_t)7);
}

/* Writes one entry. 0, or AETHER_RING_FULL, AETHER_RING_TOO_LARGE, AETHER_RING_CORRUPTED. */
static inline int aether_ring_write(struct aether_ring *ring, const void *payload, uint32_t length)
{
	uint64_t head = ring->position, offset = head & (ring->capacity - 1);
	uint64_t used = head - __atomic_load_n(&ring->header->tail, __ATOMIC_ACQUIRE);
	uint64_t needed = aether_ring_entry(length);
	uint64_t skipped = needed > ring->capacity - offset ? ring->capacity - offset : 0;
	uint32_t entry[2] = {length, 0}, skip[2] = {AETHER_RING_SKIP, 0};

	if (length > aether_ring_limit(ring->capacity))
		return AETHER_RING_TOO_LARGE;
	if (used > ring->capacity)
		return AETHER_RING_CORRUPTED;
	if (skipped + needed > ring->capacity - used)
		return AETHER_RING_FULL;
	if (skipped != 0) {
		memcpy(ring->data + offset, skip, 8);
		offset = 0;
	}
	entry[1] = aether_crc32((const unsigned char *)payload, length);
	memcpy(ring->data + offset, entry, 8);
	memcpy(ring->data + offset + 8, payload, length);
	memset(ring->data + offset + 8 + length, 0, needed - 8 - length);
	ring->position = head + skipped + needed;
	/* Sequentially consistent: the caller looks at engine_sleeping next, and must not do so before this is seen. */
	__atomic_store_n(&ring->header->head, ring->position, __ATOMIC_SEQ_CST);
	return 0;
}

/* Reads one entry into `payload`, which has AETHER_RING_MAX_PAYLOAD bytes. Its length, or an error below zero. */
static inline int64_t aether_ring_read(struct aether_ring *ring, void *payload)
{
	uint64_t tail = ring->position, offset = tail & (ring->capacity - 1);
	uint64_t head = __atomic_load_n(&ring->header->head, __ATOMIC_ACQUIRE);
	uint32_t entry[2];

	if (head == tail)
		return AETHER_RING_EMPTY;
	if (head - tail > ring->capacity || (head & 7) != 0)
		return AETHER_RING_CORRUPTED;
	memcpy(entry, ring->data + offset, 8);
	if (entry[0] == AETHER_RING_SKIP) {
		if (offset == 0 || ring->capacity - offset >= head - tail)
			return AETHER_RING_CORRUPTED;
		tail += ring->capacity - offset;
		offset = 0;
		memcpy(entry, ring->data, 8);
	}
	if (entry[0] > AETHER_RING_MAX_PAYLOAD || aether_ring_entry(entry[0]) > head - tail ||
	    aether_ring_entry(entry[0]) > ring->capacity - offset)
		return AETHER_RING_CORRUPTED;
	memcpy(payload, ring->data + offset + 8, entry[0]);
	if (aether_crc32((const unsigned char *)payload, entry[0]) != entry[1])
		return AETHER_RING_CHECKSUM;
	ring->position = tail + aether_ring_entry(entry[0]);
	__atomic_store_n(&ring->header->tail, ring->position, __ATOMIC_SEQ_CST);
	return entry[0];
}

#ifdef __cplusplus
}
#endif

#endif
