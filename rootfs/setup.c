/* SPDX-License-Identifier: Apache-2.0 */
/* WIRE_SETUP: what a sandbox looks like from inside, made in the order of the message; the first failure ends it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "init.h"

#define MOST_PARTS 5

/* The longest value: a mount with two paths and its data. */
static char text[3 * PATH_MAX];

/* sethostname without an own UTS namespace would rename the host; the launcher refuses to make such a sandbox. */
static int set_hostname(const char *name, struct failure *failure)
{
	return sethostname(name, strlen(name)) < 0 ? fail(failure, errno, "sethostname", name) : 0;
}

/* A directory that exists is left as it is: it may be the host's. */
static int make_directory(const char **parts, unsigned count, struct failure *failure)
{
	uint64_t mode, uid = 0, gid = 0;
	const char *path = parts[0];
	if (*path != '/' || !parse_number(parts[1], 8, &mode) || mode > 07777 || (count > 2 && !parse_number(parts[2], 10, &uid)) ||
	    (count > 3 && !parse_number(parts[3], 10, &gid)) || uid > UINT32_MAX || gid > UINT32_MAX)
		return fail(failure, EINVAL, "mkdir", path);
	if (mkdir(path, (mode_t)mode) < 0) {
		struct stat status;
		int error = errno;
		if (error == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
			return 0;
		return fail(failure, error, "mkdir", path);
	}
	if (uid != 0 || gid != 0)
		if (lchown(path, (uid_t)uid, (gid_t)gid) < 0)
			return fail(failure, errno, "chown", path);
	return 0;
}

static int make_node(const char **parts, struct failure *failure)
{
	uint64_t mode, high, low;
	const char *path = parts[0];
	if (*path != '/' || !parse_number(parts[1], 8, &mode) || (mode & ~(uint64_t)S_IFCHR) > 0777 ||
	    !parse_number(parts[2], 10, &high) || !parse_number(parts[3], 10, &low) || high > UINT32_MAX || low > UINT32_MAX)
		return fail(failure, EINVAL, "mknod", path);
	dev_t device = makedev((unsigned)high, (unsigned)low);
	return mknod(path, (mode_t)(mode & 0777) | S_IFCHR, device) < 0 ? fail(failure, errno, "mknod", path) : 0;
}

static int write_sysctl(const char *path, const char *value, struct failure *failure)
{
	if (strncmp(path, "/proc/sys/", 10) != 0 || strstr(path, "/..") != NULL)
		return fail(failure, EINVAL, "sysctl", path);
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(failure, errno, "sysctl", path);
	ssize_t written = write(fd, value, strlen(value));
	int error = errno;
	close(fd);
	return written < 0 ? fail(failure, error, "sysctl", path) : 0;
}

/* netdevice(7) */
static int bring_loopback_up(struct failure *failure)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(failure, errno, "socket", "lo");
	int result = ioctl(fd, SIOCGIFFLAGS, &request);
	if (result == 0) {
		request.ifr_flags |= IFF_UP;
		result = ioctl(fd, SIOCSIFFLAGS, &request);
	}
	int error = errno;
	close(fd);
	return result < 0 ? fail(failure, error, "loopback", "lo") : 0;
}

static int mount_field(const char **parts, struct failure *failure)
{
	uint64_t flags = 0;
	if (*parts[3] != '\0' && !parse_number(parts[3], 10, &flags))
		return fail(failure, EINVAL, "mount flags", parts[2]);
	return make_mount(parts[0], parts[1], parts[2], flags, parts[4], failure);
}

/* Sockets of what runs here from now on are of that namespace; those made before stay where they are. */
static int enter_network(const struct message *request, const struct field *field, struct failure *failure)
{
	uint32_t role, number;
	if (!field_fd(field, &role, &number) || role != FD_NETWORK || request->fd_count != 1)
		return fail(failure, EINVAL, "network", "fd");
	return setns(request->fds[0], CLONE_NEWNET) < 0 ? fail(failure, errno, "setns", "network") : 0;
}

static int obey_field(const struct message *request, const struct field *field, struct failure *failure)
{
	if (field->tag == TAG_FD)
		return enter_network(request, field, failure);
	const char *parts[MOST_PARTS];
	unsigned count = field_parts(field, text, sizeof text, parts, MOST_PARTS);
	unsigned tag = count == 0 ? 0 : field->tag;
	if (tag == TAG_HOSTNAME && count == 1)
		return set_hostname(parts[0], failure);
	if (tag == TAG_MOUNT && count >= 3)
		return mount_field(parts, failure);
	if (tag == TAG_MKDIR && count >= 2 && count <= 4)
		return make_directory(parts, count, failure);
	if (tag == TAG_MKNOD && count == 4)
		return make_node(parts, failure);
	if (tag == TAG_SYMLINK && count == 2)
		return symlink(parts[0], parts[1]) < 0 ? fail(failure, errno, "symlink", parts[1]) : 0;
	if (tag == TAG_SYSCTL && count == 2)
		return write_sysctl(parts[0], parts[1], failure);
	if (tag == TAG_LOOPBACK && field->len == 0)
		return bring_loopback_up(failure);
	return fail(failure, EINVAL, "setup", "field not of its form");
}

int setup(const struct message *request, struct failure *failure)
{
	for (struct field field = { 0 }; message_next(request, &field);)
		if (obey_field(request, &field, failure) < 0)
			return -1;
	return 0;
}
