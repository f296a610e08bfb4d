/* SPDX-License-Identifier: Apache-2.0 */
/* How answers and events go out. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "message.h"

#define SEND_DEADLINE_MS 5000
#define TEXT_LIMIT 1024

int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void complain(const char *step, const char *detail, int error)
{
	dprintf(2, "%s: %s%s%s: %s\n", program_invocation_short_name, step, *detail == '\0' ? "" : " ", detail, strerror(error));
}

void reply_start(struct reply *reply, uint16_t type, uint32_t id)
{
	struct wire_header header = { .magic = WIRE_MAGIC, .version = WIRE_VERSION, .type = type, .id = id };
	memset(reply, 0, sizeof *reply);
	memcpy(reply->data, &header, sizeof header);
	reply->size = sizeof header;
}

/* The data was zeroed at the start, so padding is zero. A field that does not fit is left out: no answer comes near it. */
static void reply_field(struct reply *reply, uint16_t tag, const void *value, size_t len)
{
	struct wire_field field = { .tag = tag, .len = (uint32_t)len };
	if (sizeof reply->data - reply->size < sizeof field + len + 3)
		return;
	memcpy(reply->data + reply->size, &field, sizeof field);
	memcpy(reply->data + reply->size + sizeof field, value, len);
	reply->size += sizeof field + ((len + 3) & ~(size_t)3);
}

void reply_u32(struct reply *reply, uint16_t tag, uint32_t value)
{
	reply_field(reply, tag, &value, sizeof value);
}

void reply_text(struct reply *reply, uint16_t tag, const char *text)
{
	reply_field(reply, tag, text, strnlen(text, TEXT_LIMIT));
}

void reply_fd(struct reply *reply, int fd)
{
	reply->fds[reply->fd_count++] = fd;
}

int reply_send(struct reply *reply, int socket)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof reply->fds)];
	} control = { 0 };
	struct iovec data = { .iov_base = reply->data, .iov_len = reply->size };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };
	uint32_t size = (uint32_t)reply->size;
	memcpy(reply->data + offsetof(struct wire_header, size), &size, sizeof size);
	if (reply->fd_count > 0) {
		size_t bytes = reply->fd_count * sizeof(int);
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(bytes);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(rights), reply->fds, bytes);
	}
	for (int64_t deadline = now_ms() + SEND_DEADLINE_MS;;) {
		if (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		int64_t left = deadline - now_ms();
		if (errno != EAGAIN || left <= 0)
			break;
		struct pollfd poll_fd = { .fd = socket, .events = POLLOUT };
		poll(&poll_fd, 1, (int)left);
	}
	if (errno != EPIPE && errno != ECONNRESET) /* a peer that is gone shows in the main loop */
		complain("sendmsg", "", errno);
	return -1;
}

void send_ok(int socket, uint32_t id)
{
	struct reply reply;
	reply_start(&reply, WIRE_OK, id);
	reply_send(&reply, socket);
}

void send_error(int socket, uint32_t id, int error, const char *step, const char *detail)
{
	struct reply reply;
	reply_start(&reply, WIRE_ERROR, id);
	reply_u32(&reply, TAG_ERRNO, (uint32_t)error);
	reply_text(&reply, TAG_STEP, step);
	reply_text(&reply, TAG_DETAIL, detail);
	reply_send(&reply, socket);
}

void send_hello(int socket, int32_t pid)
{
	struct reply reply;
	reply_start(&reply, WIRE_HELLO, 0);
	reply_u32(&reply, TAG_PID, (uint32_t)pid);
	reply_send(&reply, socket);
}

void send_exit(int socket, int32_t pid, int32_t status)
{
	struct reply reply;
	reply_start(&reply, WIRE_EXIT, 0);
	reply_u32(&reply, TAG_PID, (uint32_t)pid);
	reply_u32(&reply, TAG_STATUS, (uint32_t)status);
	reply_send(&reply, socket);
}
