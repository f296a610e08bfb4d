/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aether-init: pid 1 of a sandbox, made by aether-launcher with its socket to the engine as descriptor 3. Sets the sandbox
 * up, starts programs in it, reaps all that ends there, and takes the sandbox with it when the engine lets go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "init.h"

#define MOST_HELD 256

/* Descriptors kept for CRIU, which opens them as /proc/1/fd/N. */
static int held[MOST_HELD];
static unsigned held_count;

int fail(struct failure *failure, int error, const char *step, const char *detail)
{
	memset(failure, 0, sizeof *failure);
	failure->error = error;
	snprintf(failure->step, sizeof failure->step, "%s", step);
	snprintf(failure->detail, sizeof failure->detail, "%s", detail);
	return -1;
}

/* As in the launcher: what ended waits as a zombie until the engine takes the report. True when there may be more. */
static bool report_exits(void)
{
	for (;;) {
		struct pollfd writable = { .fd = CONTROL_FD, .events = POLLOUT };
		if (poll(&writable, 1, 0) <= 0 || (writable.revents & POLLOUT) == 0)
			return true;
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return false;
		if (!is_discarded(pid))
			send_exit(CONTROL_FD, pid, status);
	}
}

/* Those to be held leave the message, so that closing its descriptors passes them by. */
static void hold(const struct spawn_request *request, struct message *message, struct reply *reply)
{
	for (unsigned i = 0; i < request->hold_count; i++) {
		held[held_count++] = request->hold[i];
		reply_u32(reply, TAG_HELD, (uint32_t)request->hold[i]);
		for (unsigned j = 0; j < message->fd_count; j++)
			if (message->fds[j] == request->hold[i])
				message->fds[j] = -1;
	}
}

static int obey_spawn(struct message *message, struct failure *failure)
{
	static struct spawn_request request;
	int rpc;
	if (read_spawn_request(message, &request, failure) < 0)
		return -1;
	if (held_count + request.hold_count > MOST_HELD)
		return fail(failure, EMFILE, "hold", "");
	pid_t pid = spawn(&request, &rpc, failure);
	if (pid < 0)
		return -1;
	struct reply reply;
	reply_start(&reply, WIRE_OK, message->id);
	reply_u32(&reply, TAG_PID, (uint32_t)pid);
	hold(&request, message, &reply);
	if (rpc >= 0)
		reply_fd(&reply, rpc);
	reply_send(&reply, CONTROL_FD);
	if (rpc >= 0)
		close(rpc);
	return 0;
}

/* Not init itself, nor its group (0): the others, one of them, or one of their groups. */
static int obey_kill(const struct message *message, struct failure *failure)
{
	int32_t pid = 0, signal = -1;
	bool valid = true;
	for (struct field field = { 0 }; message_next(message, &field);)
		valid &= (field.tag == TAG_PID && field_i32(&field, &pid)) || (field.tag == TAG_SIGNAL && field_i32(&field, &signal));
	if (!valid || pid == 0 || pid == 1 || signal < 0 || signal > SIGRTMAX)
		return fail(failure, EINVAL, "kill", "");
	if (kill(pid, signal) < 0)
		return fail(failure, errno, "kill", "");
	send_ok(CONTROL_FD, message->id);
	return 0;
}

static int obey_socket(const struct message *message, struct failure *failure)
{
	int32_t family = -1, type = -1;
	bool valid = true;
	for (struct field field = { 0 }; message_next(message, &field);)
		valid &= (field.tag == TAG_FAMILY && field_i32(&field, &family)) || (field.tag == TAG_SOCKTYPE && field_i32(&field, &type));
	if (!valid || family < 0 || type < 0 || (type & ~0xf) != 0)
		return fail(failure, EINVAL, "socket", "");
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(failure, errno, "socket", "");
	struct reply reply;
	reply_start(&reply, WIRE_OK, message->id);
	reply_fd(&reply, fd);
	reply_send(&reply, CONTROL_FD);
	close(fd);
	return 0;
}

/* Only what SPAWN held can be closed by number. */
static bool release_one(uint32_t number)
{
	for (unsigned i = 0; i < held_count; i++) {
		if (held[i] != (int)number)
			continue;
		close(held[i]);
		held[i] = held[--held_count];
		return true;
	}
	return false;
}

static int obey_release(const struct message *message, struct failure *failure)
{
	uint32_t number;
	for (struct field field = { 0 }; message_next(message, &field);)
		if (field.tag != TAG_HELD || !field_u32(&field, &number) || !release_one(number))
			return fail(failure, EBADF, "release", "");
	send_ok(CONTROL_FD, message->id);
	return 0;
}

static void obey(struct message *message)
{
	struct failure failure = { 0 };
	int result;
	switch (message->type) {
	case WIRE_SETUP:
		result = setup(message, &failure);
		if (result == 0)
			send_ok(CONTROL_FD, message->id);
		break;
	case WIRE_SPAWN:
		result = obey_spawn(message, &failure);
		break;
	case WIRE_KILL:
		result = obey_kill(message, &failure);
		break;
	case WIRE_SOCKET:
		result = obey_socket(message, &failure);
		break;
	case WIRE_RELEASE:
		result = obey_release(message, &failure);
		break;
	default:
		result = fail(&failure, EINVAL, "message", "unknown type");
	}
	if (result < 0)
		send_error(CONTROL_FD, message->id, failure.error, failure.step, failure.detail);
	message_close_fds(message);
}

/* Returns once the engine has let go. */
static void serve(int signals)
{
	bool unreported = false;
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = CONTROL_FD, .events = (short)(POLLIN | (unreported ? POLLOUT : 0)) },
			{ .fd = signals, .events = POLLIN },
		};
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		/* Orders left behind by an engine that is gone are not obeyed. */
		if ((fds[0].revents & (POLLHUP | POLLERR)) != 0)
			return;
		struct signalfd_siginfo info;
		while (read(signals, &info, sizeof info) == sizeof info)
			unreported = true;
		struct message message;
		switch (message_receive(CONTROL_FD, &message)) {
		case RECEIVED_CLOSED:
			return;
		case RECEIVED:
			obey(&message);
			break;
		case RECEIVED_NOTHING:
			break;
		}
		if (unreported)
			unreported = report_exits();
	}
}

int main(void)
{
	/* Elsewhere "kill all" would mean the machine. */
	if (getpid() != 1) {
		complain("not pid 1", "aether-init is started by aether-launcher", EPERM);
		return 1;
	}
	if (fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0) {
		complain("control socket, descriptor", "3", errno);
		return 1;
	}
	sigset_t children;
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_SETMASK, &children, NULL);
	signal(SIGPIPE, SIG_IGN);
	int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		complain("signalfd", "", errno);
		return 1;
	}
	umask(0); /* modes of SETUP are meant as given */
	send_hello(CONTROL_FD, getpid());
	serve(signals);
	return 0; /* the kernel kills the rest of the namespace (pid_namespaces(7)) */
}
