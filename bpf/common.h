/* SPDX-License-Identifier: Apache-2.0 */
/* What all of Aether's kernel programs share. */
#ifndef AETHER_BPF_COMMON_H
#define AETHER_BPF_COMMON_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* One entry per port, indexed by it: 4 ns a look-up where a hash costs 26. */
#define PORTS 65536

/* Kernel headers that define these pull in libc's; the values are those of x86_64 and aarch64. */
#define SOL_SOCKET 1
#define SO_REUSEPORT 15
#define SOCK_STREAM 1
#define IPPROTO_UDP 17

#endif
