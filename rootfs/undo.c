/* SPDX-License-Identifier: Apache-2.0 */
/* What is undone when the engine is gone: WIRE_ON_DEATH keeps the list, the other calls obey it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "launcher.h"

/* The fields of the last list as they came; checked before they are kept. */
static _Alignas(8) uint8_t kept[WIRE_MAX_MESSAGE];
static struct message list = { .fields = kept };

/* Absolute, no "..", below the prefix and not the prefix itself. */
static bool is_below(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);
	if (strncmp(path, prefix, length) != 0 || path[length] == '\0')
		return false;
	for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
		if (at[3] == '/' || at[3] == '\0')
			return false;
	return true;
}

/* Path and value of one field of the list; false when the field may not stand in it. */
static bool read_entry(const struct field *field, char *text, const char **value)
{
	const char *parts[2];
	switch (field->tag) {
	case TAG_CGROUP:
		return field_text(field, text, PATH_MAX) && is_below(text, "/sys/fs/cgroup/");
	case TAG_UNLINK:
		return field_text(field, text, PATH_MAX) && is_below(text, "/");
	case TAG_SYSCTL:
		if (field_parts(field, text, PATH_MAX, parts, 2) != 2 || !is_below(parts[0], "/proc/sys/"))
			return false;
		*value = parts[1];
		return true;
	default:
		return false;
	}
}

void undo_store(int socket, const struct message *request)
{
	char text[PATH_MAX];
	const char *value;
	for (struct field field = { 0 }; message_next(request, &field);) {
		if (read_entry(&field, text, &value))
			continue;
		char shown[64] = "";
		memcpy(shown, field.value, field.len < sizeof shown ? field.len : sizeof shown - 1);
		send_error(socket, request->id, EINVAL, "on_death", shown);
		return;
	}
	memcpy(kept, request->fields, request->size);
	list.size = request->size;
	send_ok(socket, request->id);
}

bool undo_cgroups(void)
{
	char text[PATH_MAX];
	const char *value;
	bool gone = true;
	for (struct field field = { 0 }; message_next(&list, &field);)
		if (field.tag == TAG_CGROUP && read_entry(&field, text, &value))
			gone &= cgroup_remove(text);
	return gone;
}

/*
 * No symbolic link is followed on the way: a function may write in a folder of the list, and must not point us
 * elsewhere (openat2(2)).
 */
static void remove_file(char *path)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	char *name = strrchr(path, '/') + 1;
	char parent[PATH_MAX];
	memcpy(parent, path, (size_t)(name - path));
	parent[name - path] = '\0';
	int dir = (int)syscall(SYS_openat2, AT_FDCWD, parent, &how, sizeof how);
	struct stat status;
	int failed = 0;
	if (dir < 0 || fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		failed = errno;
	else if (!S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode) && !S_ISDIR(status.st_mode))
		failed = EPERM;
	else if (unlinkat(dir, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) < 0)
		failed = errno;
	if (dir >= 0)
		close(dir);
	if (failed != 0 && failed != ENOENT)
		complain("unlink", path, failed);
}

static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		complain("sysctl", path, errno);
	if (fd >= 0)
		close(fd);
}

void undo_files_and_sysctls(void)
{
	char text[PATH_MAX];
	const char *value;
	for (struct field field = { 0 }; message_next(&list, &field);) {
		if (!read_entry(&field, text, &value))
			continue;
		if (field.tag == TAG_UNLINK)
			remove_file(text);
		else if (field.tag == TAG_SYSCTL)
			write_sysctl(text, value);
	}
}
