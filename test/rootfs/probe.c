/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CRIU does for its question about restartable sequences (fork_and_ptrace_attach in its util.c), twice; a line for each:
 * process id, size of the answer, and the answer's fields. Then its answer on descriptor 3, and the priority after it.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int pair[2];
static char stack[65536] __attribute__((aligned(16)));

static int child(void *unused)
{
	(void)unused;
	if (write(pair[1], "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

int main(void)
{
	for (int turn = 0; turn < 2; turn++) {
		struct { uint64_t pointer; uint32_t size, signature, flags, pad; } rseq = { 0 };
		char byte;
		if (socketpair(PF_LOCAL, SOCK_SEQPACKET, 0, pair) != 0)
			return 1;
		pid_t pid = clone(child, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, NULL);
		close(pair[1]);
		if (pid < 0 || read(pair[0], &byte, 1) != 1)
			return 1;
		close(pair[0]);
		if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) != 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
		long size = ptrace((enum __ptrace_request)0x420f, pid, sizeof rseq, &rseq);
		if (kill(pid, SIGKILL) != 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
		printf("%d %ld %llx %x %x %x\n", pid, size, (unsigned long long)rseq.pointer, rseq.size, rseq.signature, rseq.flags);
	}
	pid_t other = fork();
	if (other == 0) {
		/* A process made by it has its own descriptor 3: nothing of that is an answer. */
		if (write(3, "x", 1) != 1)
			_exit(1);
		_exit(getpriority(PRIO_PROCESS, 0));
	}
	int status;
	waitpid(other, &status, 0);
	int before = getpriority(PRIO_PROCESS, 0);
	if (write(3, "x", 1) != 1)
		return 1;
	printf("%d %d %d\n", WEXITSTATUS(status), before, getpriority(PRIO_PROCESS, 0));
	return 0;
}
