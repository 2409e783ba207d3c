/* SPDX-License-Identifier: MIT */
/* A seccomp filter, as a container or a sandbox installs it. */
#ifndef PROBE_FILTER_H
#define PROBE_FILTER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What mmap() makes: with 32 bits the one whose offset is in pages. */
#ifdef SYS_mmap2
#define CALL_OF_MMAP	SYS_mmap2
#else
#define CALL_OF_MMAP	SYS_mmap
#endif

/* From now on a call has that effect, in this thread and those it makes. */
static inline int filter_call(unsigned int number, unsigned int effect,
			      unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, effect),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = sizeof code / sizeof *code, .filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
			    &filter);
}

static inline int refuse_call(unsigned int number, int error)
{
	return filter_call(number, SECCOMP_RET_ERRNO | (unsigned int)error, 0);
}

/* The one that the C library makes of mmap(). */
static inline int refuse_mmap(int error)
{
#ifdef SYS_mmap2
	return refuse_call(SYS_mmap2, error);
#else
	return refuse_call(SYS_mmap, error);
#endif
}

static inline int refuse_rseq(int error)
{
	return refuse_call(SYS_rseq, error);
}

#endif
