/* SPDX-License-Identifier: MIT */
/* The thread pointer, where gcc has no builtin for it either. */
#ifndef PROBE_THREAD_POINTER_H
#define PROBE_THREAD_POINTER_H

static inline char *thread_pointer(void)
{
#if defined __x86_64__
	char *tp;
	__asm__("mov{q}\t{%%fs:0, %0|%0, QWORD PTR fs:0}" : "=r" (tp));
	return tp;
#elif defined __powerpc64__
	char *tp;
	__asm__("mr %0, 13" : "=r" (tp));
	return tp;
#else
	return (char *)__builtin_thread_pointer();
#endif
}

#endif
