/* SPDX-License-Identifier: Apache-2.0 */
/* How a sandbox begins: a process in new namespaces that becomes aether-init. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "launcher.h"

#define NEEDED_FLAGS (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS)
#define CONTROL_FD 3

struct order {
	uint64_t flags;
	char title[128];
	int control;
};

static bool is_control_socket(int fd)
{
	int type = 0, domain = 0;
	socklen_t type_size = sizeof type, domain_size = sizeof domain;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) == 0 && domain == AF_UNIX;
}

/* The name of the field that is wrong; NULL: the order is good. */
static const char *read_order(const struct message *request, struct order *order)
{
	char name[64] = "";
	uint32_t role, number;
	order->control = -1;
	for (struct field field = { 0 }; message_next(request, &field);) {
		switch (field.tag) {
		case TAG_CLONE_FLAGS:
			if (!field_u64(&field, &order->flags))
				return "clone_flags";
			break;
		case TAG_NAME:
			if (!field_text(&field, name, sizeof name))
				return "name";
			break;
		case TAG_FD:
			if (!field_fd(&field, &role, &number) || role != FD_CONTROL || order->control >= 0)
				return "fd";
			order->control = request->fds[0];
			break;
		default:
			return "unknown field";
		}
	}
	if ((order->flags & ~(uint64_t)CLONE_NEWNET) != NEEDED_FLAGS)
		return "clone_flags";
	if (order->control < 0 || !is_control_socket(order->control))
		return "fd";
	if (*name == '\0')
		return "name";
	snprintf(order->title, sizeof order->title, "aether-init: %s", name);
	return NULL;
}

static void default_signals(void)
{
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* refused for KILL, STOP and those of libc: they are at their default */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Init must not outlive the launcher. In a new pid namespace getppid() is always 0, so the launcher's pidfd tells whether
 * it died before prctl took effect. A dying parent walks its children for their death signal and becomes a zombie
 * under one hold of tasklist_lock, which setsid also takes: after setsid either the signal will come or the pidfd says
 * so (kernel/exit.c exit_notify, prctl(2) PR_SET_PDEATHSIG).
 */
static bool launcher_is_alive(int launcher)
{
	struct pollfd ended = { .fd = launcher, .events = POLLIN };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	return poll(&ended, 1, 0) == 0;
}

static _Noreturn void become_init(const struct launcher *launcher, struct order *order)
{
	char *argv[] = { order->title, NULL };
	char *environment[] = { NULL };
	if (!launcher_is_alive(launcher->self))
		_exit(1);
	default_signals();
	if (dup2(order->control, CONTROL_FD) < 0 || syscall(SYS_close_range, CONTROL_FD + 1, ~0u, 0) < 0) {
		complain("control socket", "", errno);
		_exit(126);
	}
	execve(launcher->init, argv, environment);
	complain("execve", launcher->init, errno);
	_exit(127);
}

pid_t make_init(const struct launcher *launcher, const struct message *request)
{
	struct order order = { 0 };
	const char *wrong = read_order(request, &order);
	if (wrong != NULL) {
		send_error(launcher->socket, request->id, EINVAL, "sandbox", wrong);
		return -1;
	}
	int pidfd = -1;
	struct clone_args args = {
		.flags = order.flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0) {
		send_error(launcher->socket, request->id, errno, "clone3", order.title);
		return -1;
	}
	if (pid == 0)
		become_init(launcher, &order);
	struct reply reply;
	reply_start(&reply, WIRE_OK, request->id);
	reply_u32(&reply, TAG_PID, (uint32_t)pid);
	reply_fd(&reply, pidfd);
	/* An engine that does not learn of its sandbox cannot end it. */
	if (reply_send(&reply, launcher->socket) < 0)
		kill(pid, SIGKILL);
	close(pidfd);
	return pid;
}
