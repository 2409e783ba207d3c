/* SPDX-License-Identifier: MIT */
/*
 * Each call of syscall(), librseq's too, by -Wl,--wrap=syscall: the program
 * has called(), which answers or lets the real one answer.
 */
#ifndef PROBE_WRAP_SYSCALL_H
#define PROBE_WRAP_SYSCALL_H

#include <stdarg.h>

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
static long called(long number, const long *a);

static inline long really_call(long number, const long *a)
{
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long __wrap_syscall(long number, ...)
{
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; ++i)
		a[i] = va_arg(list, long);
	va_end(list);
	return called(number, a);
}

#endif
