/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the messages of wire.h; both programs have one socket each and one thread. */
#ifndef AETHER_MESSAGE_H
#define AETHER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wire.h"

/* A message as received. Points into one static buffer: valid until the next message_receive. */
struct message {
	uint16_t type;
	uint32_t id;
	const uint8_t *fields;
	size_t size; /* of the fields */
	int fds[WIRE_MAX_FDS];
	unsigned fd_count;
};

struct field {
	uint16_t tag;
	uint32_t len;
	const uint8_t *value; /* NULL: before the first field */
};

enum received { RECEIVED, RECEIVED_NOTHING, RECEIVED_CLOSED };

/*
 * Takes one message off the socket. What is not a message is answered with ERROR{EBADMSG} here, its descriptors closed,
 * and reported as RECEIVED_NOTHING. After RECEIVED every field lies inside the message and there are as many descriptors
 * as FD fields.
 */
enum received message_receive(int socket, struct message *message);
void message_close_fds(struct message *message);

/* Steps through the fields; start with value == NULL. */
bool message_next(const struct message *message, struct field *field);

/* Each is false when the value does not have that form. */
bool field_u32(const struct field *field, uint32_t *value);
bool field_i32(const struct field *field, int32_t *value);
bool field_u64(const struct field *field, uint64_t *value);
bool field_fd(const struct field *field, uint32_t *role, uint32_t *number);
/* Text without NUL, NUL-terminated into out; false when it does not fit. */
bool field_text(const struct field *field, char *out, size_t size);
/* Text of up to `most` parts parted by NUL; absent parts are "". The number of parts, or 0 when that is not its form. */
unsigned field_parts(const struct field *field, char *out, size_t size, const char **parts, unsigned most);
/* A decimal or octal number, and nothing else. */
bool parse_number(const char *text, int base, uint64_t *value);

/* An answer or event under construction. */
struct reply {
	size_t size;
	unsigned fd_count;
	int fds[2];
	_Alignas(8) uint8_t data[2048];
};

void reply_start(struct reply *reply, uint16_t type, uint32_t id);
void reply_u32(struct reply *reply, uint16_t tag, uint32_t value);
void reply_text(struct reply *reply, uint16_t tag, const char *text); /* cut at 1,024 bytes */
void reply_fd(struct reply *reply, int fd);
/* 0, or -1 with errno; waits for a stuck engine 5 s at most. */
int reply_send(struct reply *reply, int socket);

void send_ok(int socket, uint32_t id);
void send_error(int socket, uint32_t id, int error, const char *step, const char *detail);
void send_hello(int socket, int32_t pid);
void send_exit(int socket, int32_t pid, int32_t status);

/* One line on stderr: program, step, detail, error. */
void complain(const char *step, const char *detail, int error);

/* CLOCK_MONOTONIC in milliseconds. */
int64_t now_ms(void);

#endif
