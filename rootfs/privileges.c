/* SPDX-License-Identifier: Apache-2.0 */
/* Who a program runs as and what it may do: capabilities(7), and the order the kernel asks for. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "init.h"

static bool is_kept(uint64_t caps, unsigned capability)
{
	return (caps >> capability & 1) != 0;
}

/* Needs CAP_SETPCAP, so it comes before anything is given up. The first number past the last capability is EINVAL. */
static int drop_bounding(uint64_t caps)
{
	for (unsigned capability = 0; capability < 63; capability++) {
		if (is_kept(caps, capability) || prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return -1;
	}
	return 0;
}

/* glibc has no wrapper; 64 bits travel in two halves. Asking for more than is permitted is EPERM (capset(2)). */
static int set_capabilities(uint64_t caps, bool inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (unsigned half = 0; half < 2; half++) {
		data[half].permitted &= (uint32_t)(caps >> (32 * half));
		data[half].effective = data[half].permitted;
		data[half].inheritable = inheritable ? data[half].permitted : 0;
	}
	return (int)syscall(SYS_capset, &header, data);
}

static int raise_ambient(uint64_t caps)
{
	for (unsigned capability = 0; capability < 63; capability++)
		if (is_kept(caps, capability) && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0 && errno != EPERM) /* EPERM: not permitted to us either */
			return -1;
	return 0;
}

static int change_user(const struct spawn_request *request, struct failure *failure)
{
	/* Without a list the program would keep init's groups. */
	if ((request->has_uid || request->has_gid || request->has_groups) && setgroups(request->group_count, request->groups) < 0)
		return fail(failure, errno, "setgroups", "");
	if (request->has_gid && setresgid(request->gid, request->gid, request->gid) < 0)
		return fail(failure, errno, "setgid", "");
	if (request->has_uid && setresuid(request->uid, request->uid, request->uid) < 0)
		return fail(failure, errno, "setuid", "");
	return 0;
}

int take_privileges(const struct spawn_request *request, struct failure *failure)
{
	bool ambient = request->has_caps && (request->caps & WIRE_CAPS_AMBIENT) != 0 && request->has_uid && request->uid != 0;
	uint64_t caps = request->caps & ~WIRE_CAPS_AMBIENT;
	/* A filter needs one of no_new_privs and CAP_SYS_ADMIN (seccomp(2)): the former is set, the latter not yet gone. */
	if (request->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(failure, errno, "no_new_privs", "");
	if (request->io_uring_guard && install_io_uring_guard() < 0)
		return fail(failure, errno, "seccomp", "");
	if (request->has_caps && drop_bounding(caps) < 0)
		return fail(failure, errno, "capbset_drop", "");
	/* Or a change away from uid 0 empties the permitted set. */
	if (ambient && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail(failure, errno, "keepcaps", "");
	if (change_user(request, failure) < 0)
		return -1;
	if (!request->has_caps)
		return 0;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail(failure, errno, "ambient", "");
	if (set_capabilities(caps, ambient) < 0)
		return fail(failure, errno, "capset", "");
	if (ambient && raise_ambient(caps) < 0)
		return fail(failure, errno, "ambient", "");
	return 0;
}
