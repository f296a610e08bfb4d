/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the wake benchmarks, a process of its own without an event loop: what it measures is the wake and not
 * itself. A line of ports on stdin: one GET to each, all connections at once. A line on stdout for each port, in the order
 * of the ports: microseconds from its own connect to connected, first byte, and last byte; "failed" and why otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 256
#define DEADLINE_MS 20000

struct one {
	int port, fd;
	double began, connected, first, last;
	const char *failure;
};

static const char request[] = "GET / HTTP/1.0\r\n\r\n";

static double now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void begin(struct one *one)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)one->port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	one->began = now_us();
	if (one->fd < 0 || (connect(one->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS))
		one->failure = strerror(errno);
}

/* What the socket is waited for; 0: it is done. */
static short wants(const struct one *one)
{
	if (one->failure != NULL || one->last > 0)
		return 0;
	return one->connected > 0 ? POLLIN : POLLOUT;
}

static void go_on(struct one *one)
{
	char answer[65536];
	if (one->connected == 0) {
		int error = 0;
		socklen_t size = sizeof error;
		getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		one->connected = now_us();
		if (error != 0)
			one->failure = strerror(error);
		else if (write(one->fd, request, sizeof request - 1) < 0)
			one->failure = strerror(errno);
		return;
	}
	ssize_t got = read(one->fd, answer, sizeof answer);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0)
		one->failure = strerror(errno);
	else if (got == 0 && one->first == 0)
		one->failure = "closed without an answer";
	else if (got == 0)
		one->last = now_us();
	else if (one->first == 0)
		one->first = now_us();
}

static void run(struct one *all, int count)
{
	double end = now_us() + DEADLINE_MS * 1e3;
	for (int i = 0; i < count; i++)
		begin(&all[i]);
	for (;;) {
		struct pollfd polled[MOST];
		int waiting = 0, of[MOST];
		for (int i = 0; i < count; i++) {
			short events = wants(&all[i]);
			if (events == 0)
				continue;
			of[waiting] = i;
			polled[waiting++] = (struct pollfd){ .fd = all[i].fd, .events = events };
		}
		double left = end - now_us();
		if (waiting == 0 || left <= 0)
			break;
		if (poll(polled, (nfds_t)waiting, (int)(left / 1e3) + 1) < 0 && errno != EINTR)
			break;
		for (int i = 0; i < waiting; i++)
			if (polled[i].revents != 0)
				go_on(&all[of[i]]);
	}
	for (int i = 0; i < count; i++) {
		struct one *one = &all[i];
		if (one->fd >= 0)
			close(one->fd);
		if (one->failure != NULL || one->last == 0)
			printf("failed %s\n", one->failure != NULL ? one->failure : "no answer in time");
		else
			printf("%.1f %.1f %.1f\n", one->connected - one->began, one->first - one->began, one->last - one->began);
	}
	fflush(stdout);
}

int main(void)
{
	char line[4096];
	while (fgets(line, sizeof line, stdin) != NULL) {
		struct one all[MOST];
		int count = 0;
		memset(all, 0, sizeof all);
		for (char *word = strtok(line, " \n"); word != NULL && count < MOST; word = strtok(NULL, " \n"))
			all[count++].port = atoi(word);
		run(all, count);
	}
	return 0;
}
