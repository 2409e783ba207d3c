/* SPDX-License-Identifier: MIT */
/*
 * A cache of objects in front of malloc(3): up to 64 free ones for each cpu,
 * given back while threads run when memory is short.
 *
 *	cc -o object_cache object_cache.c -lrseq -lpthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rseq/cache.h>

enum { SIZE = 256, ROUNDS = 1000000 };

static struct rseq_cache cache;

static size_t make(void *arg, void **objects, size_t n)
{
	size_t i = 0;

	(void)arg;
	while (i < n && (objects[i] = malloc(SIZE)))
		++i;
	return i;
}

static void discard(void *arg, void **objects, size_t n)
{
	(void)arg;
	while (n > 0)
		free(objects[--n]);
}

static void *work(void *arg)
{
	for (int i = 0; i < ROUNDS; ++i)
		rseq_cache_put(&cache, rseq_cache_get(&cache));
	return arg;
}

int main(void)
{
	struct rseq_cache_stats stats;
	pthread_t other;

	if (rseq_cache_init(&cache, 64, make, discard, NULL) ||
	    pthread_create(&other, NULL, work, NULL))
		return EXIT_FAILURE;
	printf("drain=%d\n", rseq_cache_drain(&cache));
	work(NULL);
	pthread_join(other, NULL);
	rseq_cache_read(&cache, &stats);
	printf("lost=%d\n", (int)(stats.refilled - stats.drained - stats.held));
	rseq_cache_fini(&cache);
}
