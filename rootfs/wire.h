/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire between engine, launcher and init: one SEQPACKET packet a message, little endian.
 * The same numbers stand in src/engine/sandbox/wire.ts; test/unit/wire.test.ts compares the two files.
 *
 * message  = header, fields...
 * header   = magic u32, version u16, type u16, id u32, size u32 (of the whole message)
 * field    = tag u16, reserved u16 (0), len u32, value[len], zero padding to a multiple of 4
 * A reply carries the id of its request; an event carries id 0.
 * Descriptors ride along as SCM_RIGHTS; the n-th FD field says what the n-th descriptor is for.
 */
#ifndef AETHER_WIRE_H
#define AETHER_WIRE_H

#include <stdint.h>

#define WIRE_MAGIC 0x48544541u /* "AETH" */
#define WIRE_VERSION 1
#define WIRE_MAX_MESSAGE 196608 /* fits the default SO_SNDBUF of 212,992 */
#define WIRE_MAX_FDS 32
#define WIRE_CAPS_AMBIENT (UINT64_C(1) << 63)

struct wire_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t id;
	uint32_t size;
};

struct wire_field {
	uint16_t tag;
	uint16_t reserved;
	uint32_t len;
};

enum wire_type {
	/* answers, both programs */
	WIRE_OK = 1,    /* fields as the request says */
	WIRE_ERROR = 2, /* ERRNO, STEP (name of the system call or step), DETAIL (path or name) */
	/* launcher -> engine */
	WIRE_HELLO = 3, /* PID; first message of the launcher, and of init once it is up */
	WIRE_EXIT = 4,  /* PID, STATUS (as waitpid gives it); from the launcher: an init ended; from init: a child ended */
	/* engine -> launcher */
	WIRE_SANDBOX = 16,  /* CLONE_FLAGS, NAME; FD(role control): init's end of its socket. OK: PID + pidfd */
	WIRE_ON_DEATH = 17, /* CGROUP*, UNLINK*, SYSCTL*: what to undo when the engine's socket closes. Replaces the last list */
	/* engine -> init */
	WIRE_SETUP = 32,  /* HOSTNAME, MOUNT*, MKDIR*, MKNOD*, SYMLINK*, SYSCTL*, LOOPBACK, FD(role network); in the order of the message */
	WIRE_SPAWN = 33,  /* a program; see below. OK: PID, HELD* + descriptors asked for */
	WIRE_KILL = 34,   /* PID (in the sandbox; -1 all but init), SIGNAL */
	WIRE_SOCKET = 35, /* FAMILY, SOCKTYPE: a non-blocking socket made inside the sandbox. OK + descriptor */
	WIRE_RELEASE = 36 /* HELD*: close descriptors kept by an earlier SPAWN */
};

enum wire_tag {
	TAG_ERRNO = 1,       /* i32 */
	TAG_STEP = 2,        /* text */
	TAG_DETAIL = 3,      /* text */
	TAG_PID = 4,         /* i32 */
	TAG_STATUS = 5,      /* i32 */
	TAG_CLONE_FLAGS = 6, /* u64: CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS [| CLONE_NEWNET], nothing else */
	TAG_NAME = 7,        /* text: shown as the process title of init */
	TAG_FD = 8,          /* u32 role, u32 number */
	TAG_CGROUP = 9,      /* text: directory below /sys/fs/cgroup to remove with its children; what still lives in it is killed first */
	TAG_UNLINK = 10,     /* text: regular file, socket or empty directory to remove; no symbolic link on the way to it */
	TAG_SYSCTL = 11,     /* text "path\0value": path under /proc/sys */
	TAG_HOSTNAME = 12,   /* text */
	TAG_MOUNT = 13,      /* text "type\0source\0target\0flags (decimal MS_*)\0data"; types bind, rbind, tmpfs, proc, devpts, mqueue, move, remount, propagation; bind and rbind take the flags RDONLY, NOSUID, NODEV, NOEXEC and apply them themselves; target made if missing (a file for a file), not for move, remount and propagation */
	TAG_MKDIR = 14,      /* text "path\0mode (octal)\0uid\0gid" */
	TAG_SYMLINK = 15,    /* text "target\0path" */
	TAG_LOOPBACK = 16,   /* empty: bring lo up (own network namespace) */
	TAG_MKNOD = 17,      /* text "path\0mode (octal, character device)\0major\0minor" */
	TAG_ARGV = 32,       /* text, one field an argument; the first is the program's path */
	TAG_ENV = 33,        /* text "NAME=value", one field each; nothing is inherited */
	TAG_CWD = 34,        /* text */
	TAG_UID = 35,        /* u32 */
	TAG_GID = 36,        /* u32 */
	TAG_GROUPS = 37,     /* u32[] */
	TAG_CAPS = 38,       /* u64: capabilities kept (bounding, permitted, effective; inheritable and ambient emptied). A program with uid != 0 has none of them, they bound what set-uid programs give it; with bit 63 (WIRE_CAPS_AMBIENT) it has them all, as inheritable and ambient too */
	TAG_NO_NEW_PRIVS = 39, /* empty */
	TAG_IO_URING_GUARD = 40, /* empty: seccomp filter, io_uring_setup -> ENOSYS */
	TAG_LAST_PID = 41,   /* u32: written to ns_last_pid first */
	TAG_RPC_SOCKET = 42, /* u32: number in the child of one end of a SEQPACKET pair made by init; the other end comes back. SO_PEERCRED of it is init, so init's descriptors can be named to CRIU */
	TAG_HELD = 43,       /* u32: number in init of a descriptor given with role HOLD */
	TAG_UMASK = 44,      /* u32 */
	TAG_NOFILE = 45,     /* u64: soft and hard RLIMIT_NOFILE */
	TAG_OOM_SCORE = 46,  /* i32: oom_score_adj */
	TAG_SIGNAL = 48,     /* i32 */
	TAG_FAMILY = 49,     /* i32 */
	TAG_SOCKTYPE = 50    /* i32 */
};

/* Of the descriptors 0, 1 and 2 those that no FD field gives are opened on the /dev/null of the sandbox. */
enum wire_fd_role {
	FD_CONTROL = 1, /* launcher: becomes init's control socket */
	FD_CHILD = 2,   /* init: becomes descriptor `number` of the child (0, 1, 2, ...) */
	FD_JOIN = 3,    /* init: an open cgroup.procs (or tasks) file; the child writes "0" to it before it execs */
	FD_HOLD = 4,    /* init: kept open in init until RELEASE; its number comes back as HELD, in order */
	FD_NETWORK = 5  /* init, SETUP: a network namespace, entered before what follows in the message */
};

#endif
