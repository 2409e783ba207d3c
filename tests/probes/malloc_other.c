/* SPDX-License-Identifier: MIT */
/* An allocator to be loaded in front of the libc's: it only takes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static _Alignas(16) char memory[64 << 20];
static size_t used;

void *malloc(size_t size)
{
	const size_t all = (size + 31) & ~(size_t)15;
	const size_t at = __atomic_fetch_add(&used, all, __ATOMIC_RELAXED);

	if (at + all > sizeof memory)
		return NULL;
	memcpy(memory + at, &size, sizeof size);
	return memory + at + 16;
}

void free(void *p)
{
	(void)p;
}

void *calloc(size_t count, size_t size)
{
	return count && size > SIZE_MAX / count ? NULL : malloc(count * size);
}

void *realloc(void *p, size_t size)
{
	void *larger = malloc(size);
	size_t old;

	if (p && larger) {
		memcpy(&old, (char *)p - 16, sizeof old);
		memcpy(larger, p, old < size ? old : size);
	}
	return larger;
}
