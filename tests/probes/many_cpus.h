/* SPDX-License-Identifier: MIT */
/*
 * With CPUS, a machine of so many cpus, by -Wl,--wrap=syscall.  Pretended is
 * how long the kernel's cpu masks are, which librseq asks it; all else is real.
 */
#ifndef PROBE_MANY_CPUS_H
#define PROBE_MANY_CPUS_H
#ifdef CPUS

#include <sys/syscall.h>

#include "wrap_syscall.h"

static long called(long number, const long *a)
{
	return number == SYS_sched_getaffinity ? CPUS / 8 :
		really_call(number, a);
}

#endif
#endif
