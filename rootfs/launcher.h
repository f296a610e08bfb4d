/* SPDX-License-Identifier: Apache-2.0 */
/* The rooms of the launcher. */
#ifndef AETHER_LAUNCHER_H
#define AETHER_LAUNCHER_H

#include <stdbool.h>
#include <sys/types.h>
#include "message.h"

/* What every sandbox is made from. */
struct launcher {
	int socket;      /* to the engine */
	int self;        /* pidfd of the launcher */
	const char *init; /* path of aether-init */
};

/* make-init.c: WIRE_SANDBOX, answered. The host pid of the new init, or -1. */
pid_t make_init(const struct launcher *launcher, const struct message *request);

/* run-tmpfs.c: see there. 0, or -1 after a complaint. */
int mount_run_tmpfs(void);

/* undo.c: WIRE_ON_DEATH, answered; then one call for the cgroups until it is true, and one for the rest. */
void undo_store(int socket, const struct message *request);
bool undo_cgroups(void);
void undo_files_and_sysctls(void);

/* cgroup.c: one try; true once the directory is gone. */
bool cgroup_remove(const char *path);

#endif
