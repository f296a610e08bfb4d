/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aether-launcher --init PATH [--run-tmpfs]
 *
 * Parent of every sandbox. Started by the engine with one end of a SEQPACKET pair as descriptor 3; makes sandboxes on
 * request, reports their end, and ends everything it owns once the engine is gone. One thread, no memory that grows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "launcher.h"

#define ENGINE_FD 3
#define MOST_SANDBOXES 4096
#define END_DEADLINE_MS 5000     /* for everything; the engine waits 8 s for us */
#define CGROUPS_DEADLINE_MS 2000 /* once the sandboxes are gone */
#define RETRY_MS 10

/* A child that has not been waited for keeps its pid, so these may be signalled by number (wait(2)). */
static pid_t inits[MOST_SANDBOXES];
static unsigned init_count;

static bool forget_init(pid_t pid)
{
	for (unsigned i = 0; i < init_count; i++) {
		if (inits[i] != pid)
			continue;
		inits[i] = inits[--init_count];
		return true;
	}
	return false;
}

/*
 * Reports children that ended, as long as the engine takes the reports: zombies are the queue, so nothing is lost or
 * piled up when it does not. True when there may be more.
 */
static bool report_exits(int socket)
{
	for (;;) {
		struct pollfd writable = { .fd = socket, .events = POLLOUT };
		if (poll(&writable, 1, 0) <= 0 || (writable.revents & POLLOUT) == 0)
			return true;
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return false;
		if (forget_init(pid))
			send_exit(socket, pid, status);
	}
}

static void obey(const struct launcher *launcher, const struct message *request)
{
	if (request->type == WIRE_ON_DEATH) {
		undo_store(launcher->socket, request);
	} else if (request->type != WIRE_SANDBOX) {
		send_error(launcher->socket, request->id, EINVAL, "message", "unknown type");
	} else if (init_count == MOST_SANDBOXES) {
		send_error(launcher->socket, request->id, EAGAIN, "sandbox", "too many sandboxes");
	} else {
		pid_t pid = make_init(launcher, request);
		if (pid > 0)
			inits[init_count++] = pid;
	}
}

/* Returns once the engine is gone or has asked for the end. */
static void serve(const struct launcher *launcher, int signals)
{
	bool unreported = false;
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = launcher->socket, .events = (short)(POLLIN | (unreported ? POLLOUT : 0)) },
			{ .fd = signals, .events = POLLIN },
		};
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		struct signalfd_siginfo info;
		while (read(signals, &info, sizeof info) == sizeof info) {
			if (info.ssi_signo == SIGTERM)
				return;
			unreported = true;
		}
		struct message request;
		switch (message_receive(launcher->socket, &request)) {
		case RECEIVED_CLOSED:
			return;
		case RECEIVED:
			obey(launcher, &request);
			message_close_fds(&request);
			break;
		case RECEIVED_NOTHING:
			break;
		}
		if (unreported)
			unreported = report_exits(launcher->socket);
	}
}

/* Ends the sandboxes, then undoes what the engine asked for. */
static void end_everything(int signals, int home)
{
	for (unsigned i = 0; i < init_count; i++)
		kill(inits[i], SIGKILL);
	/* The engine named its files as it sees them, which is not how our own mount namespace has them. */
	if (setns(home, CLONE_NEWNS) < 0)
		complain("setns", "mount namespace of the engine", errno);
	int64_t deadline = now_ms() + END_DEADLINE_MS;
	for (bool reaped = false;;) {
		for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
			forget_init(pid);
		/* Also before all are reaped: a process frozen by cgroup v1 does not die until it is thawed. */
		bool clean = undo_cgroups();
		if (init_count == 0 && clean)
			break;
		if (init_count == 0 && !reaped) {
			reaped = true;
			if (deadline > now_ms() + CGROUPS_DEADLINE_MS)
				deadline = now_ms() + CGROUPS_DEADLINE_MS;
		}
		if (now_ms() >= deadline) {
			complain("end", init_count > 0 ? "sandboxes are left" : "cgroups are left", ETIMEDOUT);
			break;
		}
		struct pollfd ended = { .fd = signals, .events = POLLIN };
		struct signalfd_siginfo info;
		poll(&ended, 1, RETRY_MS);
		while (read(signals, &info, sizeof info) == sizeof info)
			;
	}
	undo_files_and_sysctls();
}

/* SIGCHLD and SIGTERM come by descriptor; what a terminal sends to the whole group is for the engine to decide on. */
static int prepare_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGCHLD, SIG_DFL); /* inherited as ignored, children would leave no status (wait(2)) */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* 0, 1 and 2 are open from here on, 0 and 1 as /dev/null; sandboxes inherit them. */
static bool prepare_standard_fds(void)
{
	bool has_stderr = fcntl(2, F_GETFD) >= 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || (!has_stderr && dup2(null, 2) < 0))
		return false;
	/* It may have landed on one of the three, which dup2 onto itself leaves with its flag. */
	return null > 2 ? close(null) == 0 : fcntl(null, F_SETFD, 0) == 0;
}

static const char *parse_arguments(int argc, char **argv, bool *run_tmpfs)
{
	const char *init = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--run-tmpfs") == 0)
			*run_tmpfs = true;
		else if (strcmp(argv[i], "--init") == 0 && i + 1 < argc)
			init = argv[++i];
		else
			return NULL;
	}
	return init;
}

static _Noreturn void give_up(const char *step, const char *detail)
{
	complain(step, detail, errno);
	exit(1);
}

int main(int argc, char **argv)
{
	bool run_tmpfs = false;
	struct launcher launcher = { .socket = ENGINE_FD, .init = parse_arguments(argc, argv, &run_tmpfs) };
	if (launcher.init == NULL) {
		errno = EINVAL;
		give_up("usage: aether-launcher --init PATH [--run-tmpfs]", "");
	}
	if (fcntl(ENGINE_FD, F_SETFD, FD_CLOEXEC) < 0)
		give_up("socket of the engine, descriptor", "3");
	if (!prepare_standard_fds())
		give_up("open", "/dev/null");
	if (access(launcher.init, X_OK) < 0)
		give_up("access", launcher.init);
	setsid(); /* fails when we lead a group already, which keeps the terminal's signals away just as well */
	int signals = prepare_signals();
	launcher.self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (signals < 0 || launcher.self < 0 || home < 0)
		give_up("signalfd, pidfd_open or /proc/self/ns/mnt", "");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		give_up("prctl", "PR_SET_CHILD_SUBREAPER");
	/* Slave: what the host mounts later appears here, what we mount does not appear there (mount_namespaces(7)). */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		give_up("mount namespace", "");
	if (run_tmpfs && mount_run_tmpfs() < 0)
		return 1;
	send_hello(launcher.socket, getpid());
	serve(&launcher, signals);
	end_everything(signals, home);
	return 0;
}
