/* SPDX-License-Identifier: Apache-2.0 */
/* Prints, for every directory given, whether cgroup.c would empty and remove it; touches none. */
#include "../../rootfs/cgroup.c"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int dir = open(argv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		printf("%d\n", dir >= 0 && is_removable(dir));
		close(dir);
	}
	return 0;
}
