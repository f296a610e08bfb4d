/* SPDX-License-Identifier: Apache-2.0 */
/* Reads WIRE_SPAWN: every field checked before a process exists. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include "init.h"

/* Strings of the request; a field's 8 bytes of header make room for the NUL each one gets. */
static char strings[WIRE_MAX_MESSAGE];
static size_t strings_used;

static const char *keep_string(const struct field *field)
{
	char *copy = strings + strings_used;
	if (!field_text(field, copy, sizeof strings - strings_used))
		return NULL;
	strings_used += field->len + 1;
	return copy;
}

static bool add_string(const char **list, unsigned *count, const struct field *field)
{
	if (*count == MOST_STRINGS || (list[*count] = keep_string(field)) == NULL)
		return false;
	list[++*count] = NULL;
	return true;
}

static bool add_child_fd(struct spawn_request *request, int source, uint32_t number)
{
	if (number > HIGHEST_CHILD_FD)
		return false;
	for (unsigned i = 0; i < request->fd_count; i++)
		if (request->fds[i].number == (int)number)
			return false;
	request->fds[request->fd_count++] = (struct child_fd){ .source = source, .number = (int)number };
	return true;
}

static bool add_fd(struct spawn_request *request, const struct field *field, int fd)
{
	uint32_t role, number;
	if (!field_fd(field, &role, &number))
		return false;
	switch (role) {
	case FD_CHILD:
		return add_child_fd(request, fd, number);
	case FD_JOIN:
		request->join[request->join_count++] = fd;
		return true;
	case FD_HOLD:
		request->hold[request->hold_count++] = fd;
		return true;
	default:
		return false;
	}
}

static bool set_groups(struct spawn_request *request, const struct field *field)
{
	request->has_groups = true;
	request->group_count = field->len / sizeof(gid_t);
	if (field->len % sizeof(gid_t) != 0 || request->group_count > MOST_GROUPS)
		return false;
	memcpy(request->groups, field->value, field->len);
	return true;
}

static bool is_set(bool *flag, bool valid)
{
	*flag = true;
	return valid;
}

/* The name of the field when it is not of its form; NULL: it is. */
static const char *read_field(struct spawn_request *to, const struct field *field, int fd)
{
	switch (field->tag) {
	case TAG_ARGV:
		return add_string(to->argv, &to->argc, field) ? NULL : "argv";
	case TAG_ENV:
		return add_string(to->env, &to->env_count, field) ? NULL : "env";
	case TAG_CWD:
		return (to->cwd = keep_string(field)) != NULL ? NULL : "cwd";
	case TAG_UID:
		return is_set(&to->has_uid, field_u32(field, &to->uid)) ? NULL : "uid";
	case TAG_GID:
		return is_set(&to->has_gid, field_u32(field, &to->gid)) ? NULL : "gid";
	case TAG_GROUPS:
		return set_groups(to, field) ? NULL : "groups";
	case TAG_CAPS:
		return is_set(&to->has_caps, field_u64(field, &to->caps)) ? NULL : "caps";
	case TAG_NO_NEW_PRIVS:
		return is_set(&to->no_new_privs, field->len == 0) ? NULL : "no_new_privs";
	case TAG_IO_URING_GUARD:
		return is_set(&to->io_uring_guard, field->len == 0) ? NULL : "io_uring_guard";
	case TAG_LAST_PID:
		return is_set(&to->has_last_pid, field_u32(field, &to->last_pid) && to->last_pid < INT32_MAX) ? NULL : "last_pid";
	case TAG_RPC_SOCKET:
		return is_set(&to->has_rpc, field_u32(field, &to->rpc_number) && to->rpc_number <= HIGHEST_CHILD_FD) ? NULL : "rpc_socket";
	case TAG_UMASK:
		return field_u32(field, &to->umask) && to->umask <= 0777 ? NULL : "umask";
	case TAG_NOFILE:
		return is_set(&to->has_nofile, field_u64(field, &to->nofile)) ? NULL : "nofile";
	case TAG_OOM_SCORE:
		return is_set(&to->has_oom_score, field_i32(field, &to->oom_score)) ? NULL : "oom_score";
	case TAG_FD:
		return add_fd(to, field, fd) ? NULL : "fd";
	default:
		return "unknown field";
	}
}

int read_spawn_request(const struct message *message, struct spawn_request *request, struct failure *failure)
{
	memset(request, 0, sizeof *request);
	request->umask = 022;
	request->cwd = "/";
	strings_used = 0;
	unsigned fd = 0;
	for (struct field field = { 0 }; message_next(message, &field);) {
		const char *wrong = read_field(request, &field, field.tag == TAG_FD ? message->fds[fd++] : -1);
		if (wrong != NULL)
			return fail(failure, EINVAL, "spawn", wrong);
	}
	if (request->argc == 0 || request->argv[0][0] != '/')
		return fail(failure, EINVAL, "spawn", "argv: the program's absolute path comes first");
	return 0;
}
