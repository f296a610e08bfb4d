/* SPDX-License-Identifier: Apache-2.0 */
/* How one MOUNT field becomes a mount of the sandbox. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init.h"

#define BIND_ATTRIBUTES (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define PROPAGATION_TYPES (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

_Static_assert(MS_RDONLY == MOUNT_ATTR_RDONLY && MS_NOSUID == MOUNT_ATTR_NOSUID && MS_NODEV == MOUNT_ATTR_NODEV &&
	       MS_NOEXEC == MOUNT_ATTR_NOEXEC, "mount and mount_setattr call these alike");

/* Every missing folder above the last name. 0, or -1 with errno. */
static int make_parents(const char *path)
{
	char part[PATH_MAX];
	size_t length = strlen(path);
	if (length >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, length + 1);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return 0;
}

/* The place to mount at, made if missing: a file for what is not a directory. 0, or -1 with errno. */
static int make_target(const char *target, bool directory)
{
	struct stat status;
	if (stat(target, &status) == 0)
		return 0;
	if (errno != ENOENT || make_parents(target) < 0)
		return -1;
	if (directory)
		return mkdir(target, 0755);
	int fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

/*
 * MS_BIND ignores the other flags (mount(2)), so they come in a second step: with mount_setattr, which unlike a remount
 * leaves the flags it is not told of alone, and reaches all of an rbind. A bind inherits noexec from its source; the data
 * "exec" takes it away, for memory that holds code.
 */
static int bind(const char *source, const char *target, bool recursive, uint64_t flags, const char *data, struct failure *failure)
{
	struct stat status;
	struct mount_attr attributes = { .attr_set = flags & BIND_ATTRIBUTES };
	bool exec = strcmp(data, "exec") == 0;
	if ((flags & ~(uint64_t)(BIND_ATTRIBUTES | MS_BIND | MS_REC)) != 0 || (exec && (flags & MS_NOEXEC) != 0))
		return fail(failure, EINVAL, "mount flags", target);
	if (!exec && *data != '\0')
		return fail(failure, EINVAL, "mount data", data);
	if (exec)
		attributes.attr_clr = MOUNT_ATTR_NOEXEC;
	if (stat(source, &status) < 0)
		return fail(failure, errno, "bind source", source);
	if (make_target(target, S_ISDIR(status.st_mode)) < 0)
		return fail(failure, errno, "mount target", target);
	if (mount(source, target, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0)
		return fail(failure, errno, "mount bind", target);
	if ((attributes.attr_set | attributes.attr_clr) != 0 && mount_setattr(AT_FDCWD, target, recursive ? AT_RECURSIVE : 0, &attributes, sizeof attributes) < 0)
		return fail(failure, errno, "mount_setattr", target);
	return 0;
}

static bool is_file_system(const char *type)
{
	return strcmp(type, "tmpfs") == 0 || strcmp(type, "proc") == 0 || strcmp(type, "devpts") == 0 || strcmp(type, "mqueue") == 0;
}

int make_mount(const char *type, const char *source, const char *target, uint64_t flags, const char *data, struct failure *failure)
{
	if (*target != '/')
		return fail(failure, EINVAL, "mount target", target);
	if (strcmp(type, "bind") == 0 || strcmp(type, "rbind") == 0)
		return bind(source, target, *type == 'r', flags, data, failure);
	if (is_file_system(type)) {
		if (make_target(target, true) < 0)
			return fail(failure, errno, "mount target", target);
	} else if (strcmp(type, "remount") == 0) {
		flags |= MS_REMOUNT;
	} else if (strcmp(type, "move") == 0) {
		if ((flags & ~(uint64_t)MS_MOVE) != 0)
			return fail(failure, EINVAL, "mount flags", target);
		flags = MS_MOVE;
	} else if (strcmp(type, "propagation") == 0) {
		if ((flags & PROPAGATION_TYPES) == 0 || (flags & ~(uint64_t)(PROPAGATION_TYPES | MS_REC)) != 0)
			return fail(failure, EINVAL, "mount flags", target);
	} else {
		return fail(failure, EINVAL, "mount type", type);
	}
	if (is_file_system(type) && (flags & (MS_BIND | MS_MOVE | MS_REMOUNT | PROPAGATION_TYPES)) != 0)
		return fail(failure, EINVAL, "mount flags", target);
	if (mount(source, target, is_file_system(type) ? type : NULL, flags, *data == '\0' ? NULL : data) < 0) {
		char step[sizeof failure->step] = "mount ";
		strncat(step, type, sizeof step - sizeof "mount ");
		return fail(failure, errno, step, target);
	}
	return 0;
}
