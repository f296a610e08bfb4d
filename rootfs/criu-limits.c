/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into CRIU for a dump: lets it read the resource limits of another user's process where CAP_SYS_RESOURCE is
 * missing, as in most containers. prlimit(2) asks for that capability even to read; /proc/PID/limits does not (proc(5)).
 * No C library: CRIU may bring one of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

extern int *__errno_location(void);

struct limits {
	uint64_t soft, hard;
};

int prlimit64(int pid, int resource, const struct limits *set, struct limits *get);
long syscall(long number, ...);

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}
#else
#error "no system call for this machine"
#endif

static long finish(long result)
{
	if (result >= 0 || result < -4095)
		return result;
	*__errno_location() = (int)-result;
	return -1;
}

/* "unlimited" or a number, then blanks. */
static const char *read_value(const char *at, uint64_t *value)
{
	*value = *at == 'u' ? UINT64_MAX : 0;
	for (; *at >= '0' && *at <= '9'; at++)
		*value = *value * 10 + (uint64_t)(*at - '0');
	while (*at >= 'a' && *at <= 'z')
		at++;
	while (*at == ' ')
		at++;
	return at;
}

/* A line of headings, then one line a resource in the order of their numbers; the values begin at column 26 (fs/proc/base.c). */
static const char *find_values(const char *text, int resource)
{
	for (int line = 0; line <= resource; line++) {
		while (*text != '\n' && *text != '\0')
			text++;
		if (*text++ == '\0')
			return NULL;
	}
	for (int column = 0; column < 26; column++)
		if (*text++ == '\0')
			return NULL;
	return text;
}

static size_t write_path(char *path, int pid)
{
	static const char before[] = "/proc/", after[] = "/limits";
	char digits[12];
	size_t length = 0, count = 0;
	for (unsigned rest = (unsigned)pid; rest > 0; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	for (const char *from = before; *from != '\0';)
		path[length++] = *from++;
	while (count > 0)
		path[length++] = digits[--count];
	for (const char *from = after; *from != '\0';)
		path[length++] = *from++;
	path[length] = '\0';
	return length;
}

/* 0, or -1: the kernel's first answer stands. */
static int read_limits(int pid, int resource, struct limits *get)
{
	char path[32], text[4096];
	size_t used = 0;
	write_path(path, pid);
	long fd = call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return -1;
	for (long got = 1; got > 0 && used < sizeof text - 1; used += got > 0 ? (size_t)got : 0)
		got = call(SYS_read, fd, (long)(text + used), (long)(sizeof text - 1 - used), 0, 0, 0);
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	text[used] = '\0';
	const char *values = find_values(text, resource);
	if (values == NULL)
		return -1;
	read_value(read_value(values, &get->soft), &get->hard);
	return 0;
}

static long limits_of(long pid, long resource, long set, long get)
{
	long result = call(SYS_prlimit64, pid, resource, set, get, 0, 0);
	if (result == -EPERM && set == 0 && get != 0 && pid > 0)
		if (read_limits((int)pid, (int)resource, (struct limits *)get) == 0)
			return 0;
	return result;
}

int prlimit64(int pid, int resource, const struct limits *set, struct limits *get)
{
	return (int)finish(limits_of(pid, resource, (long)set, (long)get));
}

/* CRIU calls prlimit64 by its number. */
long syscall(long number, ...)
{
	va_list list;
	long arguments[6];
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_prlimit64)
		return finish(limits_of(arguments[0], arguments[1], arguments[2], arguments[3]));
	return finish(call(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]));
}
