/* SPDX-License-Identifier: MIT */
/*
 * The libc's variables as programs that must also run without them have them:
 * declared weakly, or with -DDEFINED weakly defined, as the kernel's selftests
 * did up to Linux 6.16.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "thread_pointer.h"

#define WEAK __attribute__((__weak__))

#ifdef DEFINED
WEAK ptrdiff_t __rseq_offset;
WEAK unsigned int __rseq_size, __rseq_flags;
#else
extern WEAK const ptrdiff_t __rseq_offset;
extern WEAK const unsigned int __rseq_size, __rseq_flags;
#endif

/* Not for the compiler to conclude from. */
static const void *volatile offset = &__rseq_offset, *volatile size =
	&__rseq_size, *volatile flags = &__rseq_flags;

int main(void)
{
	const int there = offset && size && flags;

	printf("there=%d\n", there);
	if (!there)
		return 0;
	printf("size=%u\noffset=%td\nflags=%u\n",
	       *(const volatile unsigned int *)size,
	       *(const volatile ptrdiff_t *)offset,
	       *(const volatile unsigned int *)flags);
	if (*(const volatile unsigned int *)size)
		printf("cpu_id=%d\n", *(volatile int *)(
			thread_pointer() +
			*(const volatile ptrdiff_t *)offset + 4));
	return 0;
}
