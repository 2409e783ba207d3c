/* SPDX-License-Identifier: MIT */
/*
 * A pool under threads that pass objects on, handlers and trims: no object is
 * in two hands, its bytes stay, memory keeps to its limit.
 *
 *	pool [seconds]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rseq/pool.h>

enum { THREADS = 6, MINE = 40, LIMIT = 64 * RSEQ_SLAB_SIZE };

struct object {
	uint32_t owner, stamp;
	uint32_t fill[22];
};

static struct rseq_pool pool;
static struct object *passed[64];
static long wrong, refused, allocs, passes;
static int stop;

static int check(struct object *o, uint32_t owner)
{
	int bad = o->owner != owner;

	for (size_t i = 0; i < 22; ++i)
		bad |= o->fill[i] != o->stamp + i;
	return bad;
}

static void stamp(struct object *o, uint32_t owner, uint32_t n)
{
	o->owner = owner;
	o->stamp = n;
	for (size_t i = 0; i < 22; ++i)
		o->fill[i] = n + (uint32_t)i;
}

static void bad(int is)
{
	if (is)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	const uint32_t self = (uint32_t)(uintptr_t)arg;
	uint32_t r = self * 2654435761u, n = 0;
	struct object *mine[MINE];
	int have = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		r = r * 1664525 + 1013904223;
		if ((r >> 16) % 8 == 0 && have) {
			struct object *o = mine[--have];
			struct object *got;

			bad(check(o, self));
			o->owner = 99;
			got = __atomic_exchange_n(&passed[r >> 26], o,
						  __ATOMIC_ACQ_REL);
			if (got) {
				bad(check(got, 99));
				got->owner = 0;
				rseq_pool_free(&pool, got);
			}
			__atomic_fetch_add(&passes, 1, __ATOMIC_RELAXED);
		} else if ((r >> 16) % 2 && have < MINE) {
			struct object *o = rseq_pool_alloc(&pool);
			if (!o) {
				__atomic_fetch_add(&refused, 1,
						   __ATOMIC_RELAXED);
				continue;
			}
			stamp(o, self, ++n);
			mine[have++] = o;
			__atomic_fetch_add(&allocs, 1, __ATOMIC_RELAXED);
		} else if (have) {
			struct object *o = mine[--have];
			bad(check(o, self));
			o->owner = 0;
			rseq_pool_free(&pool, o);
		}
	}
	while (have)
		rseq_pool_free(&pool, mine[--have]);
	return NULL;
}

static void handler(int sig)
{
	struct object *o;

	(void)sig;
	o = rseq_pool_alloc(&pool);
	if (o) {
		stamp(o, 77, 5);
		bad(check(o, 77));
		rseq_pool_free(&pool, o);
	}
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? atof(argv[1]) : 1;
	struct sigaction action;
	struct rseq_pool_stats stats;
	pthread_t thread[THREADS];
	long trims = 0, trimmed = 0;

	if (rseq_pool_init(&pool, sizeof(struct object), 0, LIMIT))
		return EXIT_FAILURE;
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	for (uintptr_t i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, (void *)(i + 1)))
			return EXIT_FAILURE;
	for (int i = 0; i < (int)(seconds * 2000); ++i) {
		usleep(500);
		pthread_kill(thread[i % THREADS], SIGUSR1);
		if (i % 16 == 0) {
			const long n = rseq_pool_trim(&pool);
			++trims;
			trimmed += n > 0 ? n : 0;
			wrong += n < 0;
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 64; ++i)
		rseq_pool_free(&pool, passed[i]);
	rseq_pool_read(&pool, &stats);
	printf("allocs=%ld\npasses=%ld\ntrims=%ld\ntrimmed=%ld\nrefused=%ld\n",
	       allocs, passes, trims, trimmed, refused);
	printf("wrong=%ld\nmissing=%lld\nover=%d\n", wrong,
	       (long long)(stats.objects - stats.cached - stats.shared),
	       stats.bytes > LIMIT);
	printf("left=%ld\n", rseq_pool_trim(&pool) -
	       (long)stats.slabs);
	rseq_pool_fini(&pool);
	return EXIT_SUCCESS;
}
