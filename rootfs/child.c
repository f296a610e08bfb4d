/* SPDX-License-Identifier: Apache-2.0 */
/* What a new process does, step by step, until it is the program it was made for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "init.h"

/* Ignored signals and the mask survive execve (signal(7)); the program starts with neither. */
static void reset_signals(void)
{
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* refused where nothing can be set */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int join_cgroups(const struct spawn_request *request, struct failure *failure)
{
	for (unsigned i = 0; i < request->join_count; i++) {
		char detail[32];
		if (write(request->join[i], "0\n", 2) == 2)
			continue;
		snprintf(detail, sizeof detail, "JOIN descriptor %u", i);
		return fail(failure, errno, "cgroup", detail);
	}
	return 0;
}

static bool has_number(const struct spawn_request *request, int number)
{
	for (unsigned i = 0; i < request->fd_count; i++)
		if (request->fds[i].number == number)
			return true;
	return false;
}

/* 0, 1 and 2 that nobody gave are the sandbox's own /dev/null, init's when it has none. */
static void add_null(struct spawn_request *request)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int number = 0; number <= 2; number++)
		if (!has_number(request, number))
			request->fds[request->fd_count++] = (struct child_fd){ .source = null < 0 ? 0 : null, .number = number };
}

/*
 * Two rounds, as the number of one may be the source of another: first all sources move above every number, then each takes
 * its own. All but these close at execve.
 */
static int place_fds(struct spawn_request *request, int *report, struct failure *failure)
{
	int highest = 2;
	add_null(request);
	for (unsigned i = 0; i < request->fd_count; i++)
		if (request->fds[i].number > highest)
			highest = request->fds[i].number;
	int moved = fcntl(*report, F_DUPFD_CLOEXEC, highest + 1);
	if (moved < 0)
		return fail(failure, errno, "dup", "report");
	*report = moved;
	for (unsigned i = 0; i < request->fd_count; i++) {
		request->fds[i].source = fcntl(request->fds[i].source, F_DUPFD_CLOEXEC, highest + 1);
		if (request->fds[i].source < 0)
			return fail(failure, errno, "dup", "");
	}
	if (syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return fail(failure, errno, "close_range", "");
	for (unsigned i = 0; i < request->fd_count; i++)
		if (dup2(request->fds[i].source, request->fds[i].number) < 0)
			return fail(failure, errno, "dup2", "");
	return 0;
}

/* Raising the hard limit needs CAP_SYS_RESOURCE, which a container may lack: then as much as is allowed (getrlimit(2)). */
static int set_nofile(uint64_t wanted, struct failure *failure)
{
	struct rlimit limit = { .rlim_cur = wanted, .rlim_max = wanted };
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	if (errno == EPERM && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			return 0;
	}
	return fail(failure, errno, "setrlimit", "RLIMIT_NOFILE");
}

/* Lowering it needs CAP_SYS_RESOURCE as well (proc(5)); a preference of the kernel's choice is no reason to fail. */
static void set_oom_score(int32_t score)
{
	char text[16];
	int length = snprintf(text, sizeof text, "%d", score);
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, text, (size_t)length) < 0)
		complain("oom_score_adj", text, errno);
	close(fd);
}

static int run_steps(struct spawn_request *request, int *report, struct failure *failure)
{
	setsid();
	reset_signals();
	if (join_cgroups(request, failure) < 0)
		return -1;
	if (request->has_oom_score) /* while 2 is still init's, for the complaint */
		set_oom_score(request->oom_score);
	if (place_fds(request, report, failure) < 0)
		return -1;
	umask(request->umask);
	if (request->has_nofile && set_nofile(request->nofile, failure) < 0)
		return -1;
	if (chdir(request->cwd) < 0)
		return fail(failure, errno, "chdir", request->cwd);
	if (take_privileges(request, failure) < 0)
		return -1;
	execve(request->argv[0], (char *const *)request->argv, (char *const *)request->env);
	return fail(failure, errno, "execve", request->argv[0]);
}

_Noreturn void become_program(struct spawn_request *request, int report)
{
	struct failure failure = { 0 };
	run_steps(request, &report, &failure);
	/* A short write shows as an end without a word, and the exit status tells. */
	_exit(write(report, &failure, sizeof failure) == sizeof failure ? 126 : 125);
}
