/* SPDX-License-Identifier: MIT */
/*
 * Something that happens in the next mmap() or munmap() that librseq makes, so
 * with its locks held, by -Wl,--wrap=mmap,--wrap=munmap.  The call itself is
 * the real one.
 */
#ifndef PROBE_IN_MMAP_H
#define PROBE_IN_MMAP_H

#include <sys/mman.h>

void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t to);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t to);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);

static void (*in_next_call)(void);

static void happen(void)
{
	void (*const what)(void) = in_next_call;

	in_next_call = NULL;
	if (what)
		what();
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t to)
{
	happen();
	return __real_mmap(at, size, prot, flags, fd, to);
}

int __wrap_munmap(void *at, size_t size)
{
	happen();
	return __real_munmap(at, size);
}

#endif
