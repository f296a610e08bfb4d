/* SPDX-License-Identifier: Apache-2.0 */
/* Why a program in a sandbox gets ENOSYS from io_uring_setup: CRIU cannot dump a ring, and Node opens one unasked. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include "init.h"

#define IO_URING_SETUP 425
#define X32_BIT 0x40000000u

/*
 * No look at the audit arch is needed: from 424 on a system call has the same number on x86_64, i386, arm and aarch64
 * (all of arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h); x32 only adds its bit (seccomp(2)), which
 * no other of them uses for a number, so taking it off hits nothing else.
 */
int install_io_uring_guard(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_SETUP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
