/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tmpfs over /run in the launcher's mount namespace, with all that the old /run holds bound back in. CRIU keeps
 * what it learned of the kernel (criu.kdat) only when /run is a tmpfs, and every sandbox inherits this one.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "launcher.h"

/* Makes one entry of the old /run appear in the new one. 0, or -1 with errno. */
static int bring_back(int old, const char *name)
{
	struct stat status;
	char source[PATH_MAX], target[PATH_MAX];
	if (fstatat(old, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	snprintf(target, sizeof target, "/run/%s", name);
	if (S_ISLNK(status.st_mode)) {
		ssize_t length = readlinkat(old, name, source, sizeof source - 1);
		if (length < 0)
			return -1;
		source[length] = '\0';
		return symlink(source, target);
	}
	if (S_ISDIR(status.st_mode)) {
		if (mkdir(target, status.st_mode & 07777) < 0)
			return -1;
	} else {
		int fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0)
			return -1;
		close(fd);
	}
	/* The old directory is covered by now; its descriptor still leads below the cover. */
	snprintf(source, sizeof source, "/proc/self/fd/%d/%s", old, name);
	return mount(source, target, NULL, MS_BIND | MS_REC, NULL);
}

int mount_run_tmpfs(void)
{
	struct statfs file_system;
	if (statfs("/run", &file_system) < 0) {
		complain("statfs", "/run", errno);
		return -1;
	}
	if (file_system.f_type == TMPFS_MAGIC)
		return 0;
	int old = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") < 0) {
		complain("mount tmpfs", "/run", errno);
		return -1;
	}
	DIR *entries = fdopendir(old);
	if (entries == NULL) {
		complain("opendir", "/run", errno);
		return -1;
	}
	int result = 0;
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		/*
		 * CRIU's own files stay out. It leaves criu.kdat.tmp behind where /run is no tmpfs, and with one there it never
		 * writes a cache again (kerndat.c, O_EXCL): every restore would pay 15 to 25 ms.
		 */
		if (strncmp(entry->d_name, "criu.kdat", strlen("criu.kdat")) == 0)
			continue;
		if (bring_back(old, entry->d_name) < 0 && errno != ENOENT) { /* gone since we listed it */
			complain("bring back into /run", entry->d_name, errno);
			result = -1;
		}
	}
	closedir(entries);
	return result;
}
