/* SPDX-License-Identifier: MIT */
/*
 * A library to be loaded at run time: its constructor allocates, and so does a
 * thread that it starts; blocks may come from either side and go to the other.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 200 };

static unsigned char *early[64];
static _Thread_local unsigned char own[5000];

static void *use(void *unused)
{
	for (int i = 0; i < 1000; ++i)
		free(malloc(SIZE));
	return unused;
}

__attribute__((__constructor__)) static void begin(void)
{
	pthread_t t;

	for (int i = 0; i < 64; ++i)
		early[i] = memset(malloc(SIZE), i, SIZE);
	if (!pthread_create(&t, NULL, use, NULL))
		pthread_join(t, NULL);
}

/* Frees what the constructor has allocated; how much of it was changed. */
long end_early(void)
{
	long wrong = 0;

	for (int i = 0; i < 64; ++i) {
		for (int at = 0; early[i] && at < SIZE; ++at)
			wrong += early[i][at] != i;
		free(early[i]);
		early[i] = NULL;
	}
	return wrong;
}

unsigned char *give(size_t size, int mark)
{
	memset(own, mark, sizeof own);
	return memset(malloc(size), mark, size);
}

long take(unsigned char *p, size_t size, int mark)
{
	long wrong = 0;

	p = realloc(p, size + 100);
	for (size_t at = 0; at < size; ++at)
		wrong += p[at] != mark;
	free(p);
	for (size_t at = 0; at < sizeof own; ++at)
		wrong += own[at] != mark;
	return wrong;
}
