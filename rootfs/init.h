/* SPDX-License-Identifier: Apache-2.0 */
/* The rooms of init. */
#ifndef AETHER_INIT_H
#define AETHER_INIT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "message.h"

#define CONTROL_FD 3 /* our end of the socket to the engine; also in launcher's make-init.c */

/* What went wrong, as ERROR tells it. Small enough for one atomic write to a pipe (pipe(7), PIPE_BUF). */
struct failure {
	int error;
	char step[24];
	char detail[512];
};

/* Fills it in and returns -1. */
int fail(struct failure *failure, int error, const char *step, const char *detail);

/* setup.c: obeys the fields of WIRE_SETUP in their order. 0, or -1. */
int setup(const struct message *request, struct failure *failure);

/* mounts.c: one MOUNT field. 0, or -1. */
int make_mount(const char *type, const char *source, const char *target, uint64_t flags, const char *data, struct failure *failure);

#define MOST_STRINGS 4096
#define MOST_GROUPS 1024
#define HIGHEST_CHILD_FD 1023
#define MOST_CHILD_FDS (WIRE_MAX_FDS + 4) /* those sent, the RPC socket, /dev/null as 0, 1 and 2 */

/* One descriptor of a program: `source` here becomes `number` there. */
struct child_fd {
	int source;
	int number;
};

/* WIRE_SPAWN, read and checked. Strings live in spawn-request.c until the next request. */
struct spawn_request {
	const char *argv[MOST_STRINGS + 1];
	const char *env[MOST_STRINGS + 1];
	unsigned argc, env_count;
	const char *cwd;
	bool has_uid, has_gid, has_groups, has_caps, no_new_privs, io_uring_guard;
	bool has_last_pid, has_nofile, has_oom_score, has_rpc;
	uint32_t uid, gid, last_pid, umask, rpc_number;
	gid_t groups[MOST_GROUPS];
	unsigned group_count;
	uint64_t caps, nofile;
	int32_t oom_score;
	struct child_fd fds[MOST_CHILD_FDS];
	unsigned fd_count;
	int join[WIRE_MAX_FDS], hold[WIRE_MAX_FDS];
	unsigned join_count, hold_count;
};

/* spawn-request.c */
int read_spawn_request(const struct message *message, struct spawn_request *request, struct failure *failure);

/* spawn.c: the pid, or -1. `rpc`: our end of the RPC socket, to hand on and close, or -1. */
pid_t spawn(struct spawn_request *request, int *rpc, struct failure *failure);
/* Whether the child's end is nobody's business: it never became the program asked for. */
bool is_discarded(pid_t pid);

/* child.c: what the new process does until it is the program. Failures go to `report`, an O_CLOEXEC pipe. */
_Noreturn void become_program(struct spawn_request *request, int report);

/* privileges.c: who the program is and what it may do. 0, or -1. */
int take_privileges(const struct spawn_request *request, struct failure *failure);

/* io-uring-guard.c: 0, or -1 with errno. */
int install_io_uring_guard(void);

#endif
