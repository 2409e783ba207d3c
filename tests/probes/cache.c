/* SPDX-License-Identifier: MIT */
/*
 * The cache in front of a source that counts: threads, handlers, drains and
 * resizes at once, and in the end each object is where it was handed out last.
 *
 *	cache [seconds]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <rseq/cache.h>

enum { THREADS = 6, OBJECTS = 20000, MINE = 48, CAPACITY = 64 };

/* owner: 0 at the source, 1 in the cache, else the thread that has it. */
struct object {
	int owner;
	struct object *next;
};

static struct object objects[OBJECTS];
static struct object *source, *aside;
static pthread_mutex_t source_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rseq_cache cache;
static long wrong, gets, handled;
static int stop;
static __thread int in_handler;

static void own(struct object *o, int from, int to)
{
	if (!__atomic_compare_exchange_n(&o->owner, &from, to, 0,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

/* A handler must not wait for what it has interrupted. */
static int lock_source(void)
{
	while (pthread_mutex_trylock(&source_lock))
		if (in_handler)
			return 0;
	return 1;
}

static size_t refill(void *arg, void **to, size_t n)
{
	size_t k = 0;

	(void)arg;
	if (!lock_source())
		return 0;
	while (k < n && source) {
		struct object *o = source;
		source = o->next;
		own(o, 0, 1);
		to[k++] = o;
	}
	pthread_mutex_unlock(&source_lock);
	return k;
}

static void drain(void *arg, void **from, size_t n)
{
	(void)arg;
	if (!lock_source()) {	/* give them to the thread that can wait */
		for (size_t i = 0; i < n; ++i) {
			struct object *o = from[i];
			own(o, 1, 0);
			o->next = __atomic_load_n(&aside, __ATOMIC_RELAXED);
			while (!__atomic_compare_exchange_n(&aside, &o->next,
					o, 0, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED))
				;
		}
		return;
	}
	for (size_t i = 0; i < n; ++i) {
		struct object *o = from[i];
		own(o, 1, 0);
		o->next = source;
		source = o;
	}
	pthread_mutex_unlock(&source_lock);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static void *work(void *arg)
{
	const int self = (int)(intptr_t)arg;
	uint64_t state = 88172645463325252ull * (unsigned int)self;
	struct object *mine[MINE];
	int n = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		const uint64_t r = next_random(&state);

		if (r % 16 == 0) {
			void *many[8];
			size_t k = n + 8 <= MINE ?
				rseq_cache_get_n(&cache, many, 8) : 0;
			for (size_t i = 0; i < k; ++i) {
				own(many[i], 1, self);
				mine[n++] = many[i];
			}
		} else if (r % 2 && n < MINE) {
			struct object *o = rseq_cache_get(&cache);
			if (o) {
				own(o, 1, self);
				mine[n++] = o;
			}
			__atomic_fetch_add(&gets, 1, __ATOMIC_RELAXED);
		} else if (n > 0) {
			struct object *o = mine[--n];
			own(o, self, 1);
			if (rseq_cache_put(&cache, o))
				__atomic_fetch_add(&wrong, 1,
						   __ATOMIC_RELAXED);
		}
	}
	while (n > 0) {
		struct object *o = mine[--n];
		own(o, self, 1);
		if (rseq_cache_put(&cache, o))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void handler(int sig)
{
	struct object *o;

	(void)sig;
	in_handler = 1;
	o = rseq_cache_get(&cache);
	if (o) {
		own(o, 1, -1);
		own(o, -1, 1);
		if (rseq_cache_put(&cache, o))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
	in_handler = 0;
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? atof(argv[1]) : 1;
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct sigaction action;
	struct rseq_cache_stats stats;
	struct timespec begin, now;
	pthread_t thread[THREADS];
	long drains = 0, failed = 0, at_source = 0;

	for (int i = 0; i < OBJECTS; ++i) {
		objects[i].next = source;
		source = &objects[i];
	}
	if (rseq_cache_init(&cache, CAPACITY, refill, drain, NULL))
		return EXIT_FAILURE;
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work,
				   (void *)(intptr_t)(i + 2)))
			return EXIT_FAILURE;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		int ret = drains % 4 == 3 ?
			rseq_cache_resize(&cache, drains % 8 == 3 ? 8 : CAPACITY) :
			rseq_cache_drain(&cache);
		failed += ret != 0;
		++drains;
		usleep(200);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - begin.tv_sec) +
		 1e-9 * (double)(now.tv_nsec - begin.tv_nsec) < seconds);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	setitimer(ITIMER_REAL, &never, NULL);
	rseq_cache_read(&cache, &stats);
	printf("held=%lld\nrefilled=%lld\ndrained=%lld\nunbalanced=%lld\n",
	       (long long)stats.held, (long long)stats.refilled,
	       (long long)stats.drained,
	       (long long)(stats.refilled - stats.drained - stats.held));
	rseq_cache_fini(&cache);
	for (struct object *o = source; o; o = o->next)
		++at_source;
	for (struct object *o = aside; o; o = o->next)
		++at_source;
	printf("gets=%ld\nhandled=%ld\ndrains=%ld\nfailed=%ld\nwrong=%ld\n"
	       "lost=%ld\n", gets, handled, drains, failed, wrong,
	       OBJECTS - at_source);
	return EXIT_SUCCESS;
}
