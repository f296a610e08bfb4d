/* SPDX-License-Identifier: Apache-2.0 */
/* How init makes a process, and learns whether it became the program asked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "init.h"

#define EXEC_DEADLINE_MS 5000
#define DISCARD_WAIT_MS 100
#define MOST_DISCARDED 8

/* Killed, but not gone within the wait: frozen by cgroup v1, say. Their end is not reported. */
static pid_t discarded[MOST_DISCARDED];
static unsigned discarded_count;

bool is_discarded(pid_t pid)
{
	for (unsigned i = 0; i < discarded_count; i++) {
		if (discarded[i] != pid)
			continue;
		discarded[i] = discarded[--discarded_count];
		return true;
	}
	return false;
}

static void discard(pid_t pid, int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	kill(pid, SIGKILL);
	poll(&ended, 1, DISCARD_WAIT_MS);
	if (waitpid(pid, NULL, WNOHANG) != pid)
		discarded[discarded_count++] = pid;
}

/*
 * The next free pid after `last` is what fork gives (proc(5), ns_last_pid): later children of the program stay above it
 * too. set_tid makes it exactly this pid or EEXIST, whatever else forks in the sandbox (clone3(2)).
 */
static int move_last_pid(uint32_t last, struct failure *failure)
{
	char text[16];
	int length = snprintf(text, sizeof text, "%u", last);
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	ssize_t written = fd < 0 ? -1 : write(fd, text, (size_t)length);
	int error = errno;
	if (fd >= 0)
		close(fd);
	return written < 0 ? fail(failure, error, "ns_last_pid", text) : 0;
}

static pid_t make_process(const struct spawn_request *request, int *pidfd)
{
	pid_t wanted = (pid_t)(request->last_pid + 1);
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.set_tid = request->has_last_pid ? (uint64_t)(uintptr_t)&wanted : 0,
		.set_tid_size = request->has_last_pid ? 1 : 0,
	};
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* Until execve closes the pipe, or a failure comes through it, or time is up. */
static int await_program(int report, struct failure *failure)
{
	struct pollfd readable = { .fd = report, .events = POLLIN };
	int64_t deadline = now_ms() + EXEC_DEADLINE_MS;
	for (;;) {
		int64_t left = deadline - now_ms();
		int ready = left <= 0 ? 0 : poll(&readable, 1, (int)left);
		if (ready == 0)
			return fail(failure, ETIMEDOUT, "exec", "");
		if (ready > 0)
			break;
	}
	return read(report, failure, sizeof *failure) == 0 ? 0 : -1;
}

static pid_t start(struct spawn_request *request, struct failure *failure)
{
	int report[2], pidfd = -1;
	if (request->has_last_pid && move_last_pid(request->last_pid, failure) < 0)
		return -1;
	if (pipe2(report, O_CLOEXEC) < 0)
		return fail(failure, errno, "pipe", "");
	pid_t pid = make_process(request, &pidfd);
	int error = errno;
	if (pid == 0)
		become_program(request, report[1]);
	close(report[1]);
	if (pid < 0) {
		fail(failure, error, "clone3", "");
	} else {
		if (await_program(report[0], failure) < 0) {
			discard(pid, pidfd);
			pid = -1;
		}
		close(pidfd);
	}
	close(report[0]);
	return pid;
}

pid_t spawn(struct spawn_request *request, int *rpc, struct failure *failure)
{
	int pair[2] = { -1, -1 };
	*rpc = -1;
	if (discarded_count == MOST_DISCARDED)
		return fail(failure, EBUSY, "spawn", "processes of failed spawns do not end");
	if (request->has_rpc) {
		for (unsigned i = 0; i < request->fd_count; i++)
			if (request->fds[i].number == (int)request->rpc_number)
				return fail(failure, EINVAL, "spawn", "rpc_socket: the number is taken");
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return fail(failure, errno, "socketpair", "");
		request->fds[request->fd_count++] = (struct child_fd){ .source = pair[1], .number = (int)request->rpc_number };
	}
	pid_t pid = start(request, failure);
	if (request->has_rpc)
		close(pair[1]);
	if (pid < 0 && request->has_rpc)
		close(pair[0]);
	if (pid >= 0)
		*rpc = pair[0];
	return pid;
}
