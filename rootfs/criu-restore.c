/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the CRIU worker of a restore (`criu swrk 3`), which waits for its request long before it comes. It does
 * ahead what CRIU does on the way of a wake, changes nothing of what CRIU finds out, and steps aside once CRIU has answered:
 *
 * - CRIU starts every job by making a process and tracing it, to ask the kernel for the restartable sequence that the C
 *   library has registered (kerndat.c, kerndat_has_ptrace_get_rseq_conf). Here the same question is put to the kernel in the
 *   same way when the worker starts, and CRIU gets that answer: about 1 ms less on two virtual processors.
 * - Its own memory is touched ahead: some 150 page faults less.
 * - Once it has reported a step of a restore that is held, it does not go on without an answer; and what it traces dies with it.
 * - After its answer CRIU only cleans up and ends, which takes longer than the answer of many a function. It does so at the
 *   lowest priority and on another processor: ending is hardly ever interrupted, whatever waits.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptor of the requests and their answers (criu-worker.ts). */
#define RPC_FD 3
/* Field 1 of criu_resp, a varint, and its value NOTIFY. */
#define TYPE_TAG 0x08
#define TYPE_NOTIFY 6
/* PTRACE_GET_RSEQ_CONFIGURATION and its answer: linux/ptrace.h, which cannot be included beside sys/ptrace.h. */
#define GET_RSEQ_CONFIGURATION 0x420f
/* Beyond the largest process id there can be (PID_MAX_LIMIT, 2^22): nobody is meant but the probe that does not exist. */
#define PROBE_PID 0x7ffffffe
/* What CRIU uses of its stack and its heap, generously. */
#define STACK_AHEAD (96 * 1024)
#define HEAP_AHEAD (96 * 1024)

struct rseq_configuration {
	uint64_t pointer;
	uint32_t size, signature, flags, pad;
};

typedef int (*child_function)(void *);

static struct {
	int (*socketpair)(int, int, int, int[2]);
	int (*clone)(child_function, void *, int, void *, ...);
	long (*ptrace)(int, ...);
	pid_t (*waitpid)(pid_t, int *, int);
	int (*kill)(pid_t, int);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*recv)(int, void *, size_t, int);
} real;

/* Where CRIU's question is: each step follows the one before at once, or the question is left to the kernel. */
static enum { NOT_KNOWN, KNOWN, PAIR_MADE, UNDER_WAY, ANSWERED } probe;
static struct rseq_configuration known;
static pid_t worker;
/* Where the worker might run before it was bound to one processor for its restore (restore-cpu.ts). */
static cpu_set_t home;
static int *pair;
/* Where CRIU has reported a step, and waits for the answer: a copy of RPC_FD (its service descriptor RPC_SK_OFF); -1: nowhere. */
static int report_fd = -1;

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (found == NULL)
		abort();
	return found;
}

/* A child as CRIU's own would be: forked, so with the registration of this thread. */
static void ask_kernel(void)
{
	pid_t child = fork();
	if (child < 0)
		return;
	if (child == 0)
		for (;;)
			pause();
	if (real.ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0 && real.waitpid(child, NULL, 0) == child &&
	    real.ptrace(GET_RSEQ_CONFIGURATION, child, sizeof known, &known) == (long)sizeof known)
		probe = KNOWN;
	real.kill(child, SIGKILL);
	real.waitpid(child, NULL, 0);
}

static int touch_segments(struct dl_phdr_info *object, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		if (segment->p_type != PT_LOAD)
			continue;
		uintptr_t from = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t to = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;
		/* What the loader made read-only afterwards refuses to be written: an advice, no more. */
		(void)madvise((void *)from, to - from,
			      (segment->p_flags & PF_W) != 0 ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	}
	return 0;
}

__attribute__((noinline)) static void touch_stack(void)
{
	volatile char ahead[STACK_AHEAD];
	for (size_t at = 0; at < sizeof ahead; at += 4096)
		ahead[at] = 0;
}

__attribute__((constructor)) static void get_ready(void)
{
	real.socketpair = (int (*)(int, int, int, int[2]))next("socketpair");
	real.clone = (int (*)(child_function, void *, int, void *, ...))next("clone");
	real.ptrace = (long (*)(int, ...))next("ptrace");
	real.waitpid = (pid_t (*)(pid_t, int *, int))next("waitpid");
	real.kill = (int (*)(pid_t, int))next("kill");
	real.recv = (ssize_t (*)(int, void *, size_t, int))next("recv");
	real.write = (ssize_t (*)(int, const void *, size_t))next("write");
	worker = getpid();
	if (sched_getaffinity(0, sizeof home, &home) != 0)
		CPU_ZERO(&home);
	ask_kernel();
	dl_iterate_phdr(touch_segments, NULL);
	touch_stack();
	/* Below the size that malloc maps by itself; it stays at the end of the heap when it is freed. */
	volatile char *heap = malloc(HEAP_AHEAD);
	for (size_t at = 0; heap != NULL && at < HEAP_AHEAD; at += 4096)
		heap[at] = 0;
	free((void *)heap);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	int result = real.socketpair(domain, type, protocol, fds);
	if (probe == KNOWN && result == 0 && type == SOCK_SEQPACKET) {
		probe = PAIR_MADE;
		pair = fds;
	}
	return result;
}

/* CRIU's probe is the only child that it makes with these flags right after such a pair; it says "here I am" on its end. */
int clone(child_function function, void *stack, int flags, void *argument, ...)
{
	va_list list;
	va_start(list, argument);
	pid_t *parent_tid = va_arg(list, pid_t *);
	void *tls = va_arg(list, void *);
	pid_t *child_tid = va_arg(list, pid_t *);
	va_end(list);
	if (probe == PAIR_MADE && flags == (CLONE_UNTRACED | SIGCHLD) && real.write(pair[1], "", 1) == 1) {
		probe = UNDER_WAY;
		return PROBE_PID;
	}
	if (probe == PAIR_MADE)
		probe = NOT_KNOWN;
	return real.clone(function, stack, flags, argument, parent_tid, tls, child_tid);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list list;
	va_start(list, request);
	pid_t pid = va_arg(list, pid_t);
	void *address = va_arg(list, void *);
	void *data = va_arg(list, void *);
	va_end(list);
	/* A tracee is let go when its tracer dies, and would run until it is killed itself. */
	if (request == PTRACE_SEIZE || request == PTRACE_SETOPTIONS)
		data = (void *)((uintptr_t)data | PTRACE_O_EXITKILL);
	if (probe != UNDER_WAY || pid != PROBE_PID)
		return real.ptrace((int)request, pid, address, data);
	if ((int)request != GET_RSEQ_CONFIGURATION)
		return 0;
	memcpy(data, &known, sizeof known);
	return sizeof known;
}

int kill(pid_t pid, int signal)
{
	if (probe == UNDER_WAY && pid == PROBE_PID)
		return 0;
	return real.kill(pid, signal);
}

/* Twice: when it has stopped, and when it has been killed. */
pid_t waitpid(pid_t pid, int *status, int options)
{
	static int asked;
	if (probe != UNDER_WAY || pid != PROBE_PID)
		return real.waitpid(pid, status, options);
	if (++asked == 2)
		probe = ANSWERED;
	return pid;
}

/*
 * Whoever asked is gone while processes are held before their first instruction (hold-restored.ts). CRIU would report an error
 * and let them run; the launcher, which ends them, is not that fast.
 */
ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t result = real.recv(fd, buffer, size, flags);
	int cut_off = result == 0 || (result < 0 && errno != EINTR);
	while (cut_off && fd == report_fd && getpid() == worker)
		pause();
	return result;
}

static void step_aside(void)
{
	cpu_set_t elsewhere = home;
	int here = sched_getcpu();
	if (here >= 0)
		CPU_CLR((size_t)here, &elsewhere);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	if (CPU_COUNT(&elsewhere) > 0)
		(void)sched_setaffinity(0, sizeof elsewhere, &elsewhere);
}

/* criu_resp begins with its type (images/rpc.proto). */
static int is_report(const void *bytes, size_t size)
{
	const unsigned char *message = bytes;
	return size >= 2 && message[0] == TYPE_TAG && message[1] == TYPE_NOTIFY;
}

/* The processes that CRIU makes have this library too, until they have become what they were: only the worker is meant. */
ssize_t write(int fd, const void *bytes, size_t size)
{
	ssize_t result = real.write(fd, bytes, size);
	if (getpid() != worker)
		return result;
	if (is_report(bytes, size))
		report_fd = fd;
	else if (fd == RPC_FD)
		step_aside();
	return result;
}
