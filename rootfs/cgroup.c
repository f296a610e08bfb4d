/* SPDX-License-Identifier: Apache-2.0 */
/* How a cgroup directory, v1 or v2, is emptied and removed with all below it (cgroups(7), admin-guide/cgroup-v2). */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "launcher.h"

#define DEEPEST 16

/* Files that only one of the two versions has are simply not there in the other. */
static bool write_file(int dir, const char *name, const char *value)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool written = write(fd, value, strlen(value)) >= 0;
	close(fd);
	return written;
}

/* Kills the members of one directory by signal, ourselves excepted; whether we are one of them. */
static bool signal_members(int dir, int signal)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *procs = fd < 0 ? NULL : fdopen(fd, "r");
	if (procs == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool own = false;
	int pid;
	while (fscanf(procs, "%d", &pid) == 1) {
		if (pid == getpid())
			own = true;
		else if (pid > 1) /* 0: a process of a pid namespace that is not below ours */
			kill(pid, signal);
	}
	fclose(procs);
	return own;
}

/*
 * Thaws from the top, as a frozen parent keeps its children frozen and a v1-frozen task does not take SIGKILL; kills and removes
 * from the bottom, as rmdir wants no children. Returns whether the launcher itself lives in the tree: cgroup.kill would
 * reach it too.
 */
static bool clear_tree(int dir, int depth)
{
	write_file(dir, "freezer.state", "THAWED");
	write_file(dir, "cgroup.freeze", "0");
	bool own = false;
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	if (entries == NULL) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	for (struct dirent *entry; depth < DEEPEST && (entry = readdir(entries)) != NULL;) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int child = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child < 0)
			continue;
		own |= clear_tree(child, depth + 1);
		close(child);
		unlinkat(dir, entry->d_name, AT_REMOVEDIR);
	}
	closedir(entries);
	own |= signal_members(dir, 0);
	if (own || !write_file(dir, "cgroup.kill", "1"))
		signal_members(dir, SIGKILL);
	return own;
}

/* A directory of a cgroup file system, and not the root of one: that holds every process of the machine. */
static bool is_removable(int dir)
{
	struct statfs file_system;
	struct stat self, parent;
	if (fstatfs(dir, &file_system) < 0 || fstat(dir, &self) < 0 || fstatat(dir, "..", &parent, 0) < 0)
		return false;
	return (file_system.f_type == CGROUP_SUPER_MAGIC || file_system.f_type == CGROUP2_SUPER_MAGIC) && self.st_dev == parent.st_dev;
}

bool cgroup_remove(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT;
	if (!is_removable(dir)) {
		close(dir);
		complain("cgroup", path, EPERM);
		return true;
	}
	clear_tree(dir, 0);
	close(dir);
	return rmdir(path) == 0 || errno == ENOENT;
}
