/* SPDX-License-Identifier: Apache-2.0 */
/* How messages of wire.h come off the socket: nothing in them is believed before it is checked. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "message.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little endian, and so is every machine we build for");
_Static_assert(sizeof(struct wire_header) == 16 && sizeof(struct wire_field) == 8, "layout of wire.h");

/* One byte more than a message may have: a longer one shows by its length. */
static _Alignas(8) uint8_t buffer[WIRE_MAX_MESSAGE + 1];

void message_close_fds(struct message *message)
{
	for (unsigned i = 0; i < message->fd_count; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->fd_count = 0;
}

static void collect_fds(struct msghdr *header, struct message *message)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof fd);
			if (message->fd_count < WIRE_MAX_FDS)
				message->fds[message->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* What is wrong with the message in the buffer; NULL: nothing. */
static const char *check(size_t size, struct message *message)
{
	struct wire_header header;
	if (size < sizeof header)
		return "shorter than a header";
	memcpy(&header, buffer, sizeof header);
	if (header.magic != WIRE_MAGIC)
		return "magic";
	message->id = header.id;
	if (header.version != WIRE_VERSION)
		return "version";
	if (header.size != size || size > WIRE_MAX_MESSAGE)
		return "size";
	unsigned fd_fields = 0;
	for (size_t at = sizeof header; at < size;) {
		struct wire_field field;
		if (size - at < sizeof field)
			return "half a field";
		memcpy(&field, buffer + at, sizeof field);
		at += sizeof field;
		if (field.reserved != 0)
			return "reserved bits of a field";
		if (field.len > size - at || padded(field.len) > size - at)
			return "field past the end";
		for (size_t i = field.len; i < padded(field.len); i++)
			if (buffer[at + i] != 0)
				return "padding is not zero";
		at += padded(field.len);
		if (field.tag == TAG_FD)
			fd_fields++;
	}
	if (fd_fields != message->fd_count)
		return "descriptors and FD fields differ in number";
	message->type = header.type;
	message->fields = buffer + sizeof header;
	message->size = size - sizeof header;
	return NULL;
}

/* A packet of no bytes reads like an end of file (recv(2)); only a hang-up is one. */
static bool hung_up(int socket)
{
	struct pollfd poll_fd = { .fd = socket, .events = POLLRDHUP };
	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

enum received message_receive(int socket, struct message *message)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
	} control;
	struct iovec data = { .iov_base = buffer, .iov_len = sizeof buffer };
	struct msghdr header = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	memset(message, 0, sizeof *message);
	ssize_t size;
	do
		size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size < 0)
		return errno == EAGAIN ? RECEIVED_NOTHING : RECEIVED_CLOSED;
	collect_fds(&header, message);
	if (size == 0 && message->fd_count == 0 && hung_up(socket))
		return RECEIVED_CLOSED;
	const char *wrong = check((size_t)size, message);
	/* Cut descriptors are closed by the kernel, the others here (recvmsg(2), cmsg(3)). */
	if ((header.msg_flags & MSG_CTRUNC) != 0)
		wrong = "more descriptors than fit";
	if ((header.msg_flags & MSG_TRUNC) != 0)
		wrong = "size";
	if (wrong == NULL)
		return RECEIVED;
	message_close_fds(message);
	send_error(socket, message->id, EBADMSG, "message", wrong);
	return RECEIVED_NOTHING;
}

bool message_next(const struct message *message, struct field *field)
{
	const uint8_t *at = field->value == NULL ? message->fields : field->value + padded(field->len);
	if (at >= message->fields + message->size)
		return false;
	struct wire_field raw;
	memcpy(&raw, at, sizeof raw);
	*field = (struct field){ .tag = raw.tag, .len = raw.len, .value = at + sizeof raw };
	return true;
}

static bool field_copy(const struct field *field, void *out, size_t size)
{
	if (field->len != size)
		return false;
	memcpy(out, field->value, size);
	return true;
}

bool field_u32(const struct field *field, uint32_t *value)
{
	return field_copy(field, value, sizeof *value);
}

bool field_i32(const struct field *field, int32_t *value)
{
	return field_copy(field, value, sizeof *value);
}

bool field_u64(const struct field *field, uint64_t *value)
{
	return field_copy(field, value, sizeof *value);
}

bool field_fd(const struct field *field, uint32_t *role, uint32_t *number)
{
	uint32_t pair[2];
	if (!field_copy(field, pair, sizeof pair))
		return false;
	*role = pair[0];
	*number = pair[1];
	return true;
}

bool field_text(const struct field *field, char *out, size_t size)
{
	if (field->len >= size || memchr(field->value, '\0', field->len) != NULL)
		return false;
	memcpy(out, field->value, field->len);
	out[field->len] = '\0';
	return true;
}

unsigned field_parts(const struct field *field, char *out, size_t size, const char **parts, unsigned most)
{
	if (field->len >= size)
		return 0;
	memcpy(out, field->value, field->len);
	out[field->len] = '\0';
	unsigned count = 0;
	for (size_t at = 0; at <= field->len; at += strlen(out + at) + 1) {
		if (count == most)
			return 0;
		parts[count++] = out + at;
	}
	for (unsigned i = count; i < most; i++)
		parts[i] = "";
	return count;
}

bool parse_number(const char *text, int base, uint64_t *value)
{
	if (*text < '0' || *text > '9') /* strtoull takes signs and blanks too */
		return false;
	char *end;
	errno = 0;
	*value = strtoull(text, &end, base);
	return errno == 0 && *end == '\0';
}
