/* SPDX-License-Identifier: MIT */
/*
 * A section that librseq does not have, made of its steps and verbs: take one
 * of the permits that lie ready on this cpu, if there is one.  Around it, what
 * such a section is good for: many threads share a number of permits, and meet
 * on one word only when a cpu has run out of them.
 *
 *	cc -o own_section own_section.c -lrseq -lpthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rseq/rseq.h>

enum { THREADS = 8, PERMITS = 1000000, BATCH = 64 };

static const intptr_t zero = 0, minus_one = -1;

/* if (*v != 0) *v -= 1; else different: in this cpu's copy */
RSEQ_SECTION_IF(take_permit, this_cpu, (intptr_t *v),
	RSEQ_IF_NE(64, RSEQ_AT(v), zero, different)
	RSEQ_THEN(RSEQ_ADD(64, minus_one))
	RSEQ_COMMIT(RSEQ_SAVE(64, RSEQ_AT(v))),
	RSEQ_PLACE(v), RSEQ_IN(64, zero), RSEQ_IN(64, minus_one))

static intptr_t *ready;		/* per-cpu: the permits that lie there */

static intptr_t pool = PERMITS;

/* Up to n of those that are on no cpu. */
static intptr_t take_from_pool(intptr_t n)
{
	intptr_t left = __atomic_load_n(&pool, __ATOMIC_RELAXED), got;

	do
		got = left < n ? left : n;
	while (got && !__atomic_compare_exchange_n(&pool, &left, left - got, 0,
						   __ATOMIC_RELAXED,
						   __ATOMIC_RELAXED));
	return got;
}

/* Lay them ready on this cpu, or put them back where there is no cpu. */
static void lay_ready(intptr_t n)
{
	enum rseq_result result;

	do
		result = rseq_this_cpu_add(ready, n);
	while (result == RSEQ_RESTARTED);
	if (result == RSEQ_UNAVAILABLE)
		__atomic_add_fetch(&pool, n, __ATOMIC_RELAXED);
}

/* 1: taken; 0: none is left, except perhaps on other cpus. */
static int take(void)
{
	for (;;) {
		switch (take_permit(ready)) {
		case RSEQ_COMMITTED:
			return 1;
		case RSEQ_UNAVAILABLE:
			return take_from_pool(1) != 0;
		case RSEQ_DIFFERENT: {
			const intptr_t more = take_from_pool(BATCH);
			if (!more)
				return 0;
			lay_ready(more);
			break;
		}
		case RSEQ_RESTARTED:
			break;
		}
	}
}

static void *work(void *taken)
{
	while (take())
		++*(intptr_t *)taken;
	return NULL;
}

int main(void)
{
	static struct {
		_Alignas(64) intptr_t taken;
	} count[THREADS];
	pthread_t thread[THREADS];
	intptr_t taken = 0, left = 0, *copy;

	ready = rseq_percpu_alloc(sizeof *ready, 0);
	if (!ready)
		return EXIT_FAILURE;
	for (int i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, &count[i].taken))
			return EXIT_FAILURE;
	for (int i = 0; i < THREADS; ++i) {
		pthread_join(thread[i], NULL);
		taken += count[i].taken;
	}
	RSEQ_FOR_EACH_CPU(copy, ready)
		left += *copy;
	printf("permits=%d\ntaken=%td\nleft=%td\n", PERMITS, taken,
	       left + pool);
	return taken + left + pool == PERMITS ? EXIT_SUCCESS : EXIT_FAILURE;
}
