/* SPDX-License-Identifier: MIT */
/*
 * A counter set that grows under adds, before main and from threads, handlers
 * and takers at once; and a histogram beside it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rseq/counters.h>
#include <rseq/histogram.h>

enum { THREADS = 4, ADDS = 300000, COUNTERS = 1500 };

static struct rseq_counters set;	/* nobody makes it */
static struct rseq_histogram histogram;
static intptr_t taken[COUNTERS];
static long handled;
static int stop;

__attribute__((__constructor__(101))) static void early(void)
{
	rseq_counters_add(&set, 3, 1000);
	rseq_histogram_add(&histogram, 7);
}

static void *work(void *arg)
{
	uint32_t r = (uint32_t)(uintptr_t)arg * 7919;

	for (int i = 0; i < ADDS; ++i) {
		r = r * 1664525 + 1013904223;
		rseq_counters_add(&set, (r >> 8) % COUNTERS, 1);
		rseq_histogram_add(&histogram, (r >> 8) % 1000);
	}
	return NULL;
}

static void *take(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		for (size_t i = 0; i < COUNTERS; i += 7)
			__atomic_fetch_add(&taken[i],
					   rseq_counters_take(&set, i),
					   __ATOMIC_RELAXED);
	return NULL;
}

static void handler(int sig)
{
	(void)sig;
	rseq_counters_add(&set, 11, 1);
	__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

int main(void)
{
	static uint64_t counts[RSEQ_HISTOGRAM_BUCKETS];
	static intptr_t sums[COUNTERS];
	pthread_t thread[THREADS], taker[2];
	intptr_t sum = 0;
	long missed = 0, bad = 0;
	uint64_t values;
	size_t made;

	signal(SIGUSR1, handler);
	for (uintptr_t i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, (void *)(i + 1)))
			return EXIT_FAILURE;
	for (int i = 0; i < 2; ++i)
		if (pthread_create(&taker[i], NULL, take, NULL))
			return EXIT_FAILURE;
	for (int i = 0; i < 200; ++i) {
		pthread_kill(thread[i % THREADS], SIGUSR1);
		usleep(200);
	}
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; ++i)
		pthread_join(taker[i], NULL);
	for (size_t i = 0; i < COUNTERS; ++i)
		sum += rseq_counters_sum(&set, i);
	for (size_t i = 0; i < COUNTERS; i += 7) {
		taken[i] += rseq_counters_take(&set, i);
		missed += taken[i] != rseq_counters_sum(&set, i);
	}
	printf("sum=%td\nexpected=%ld\nmissed=%ld\n", sum,
	       1000 + (long)THREADS * ADDS + handled, missed);

	printf("first=%ld\n", rseq_counters_make(&set, "requests"));
	printf("second=%ld\n", rseq_counters_make(&set, NULL));
	printf("name=%s\nnone=%d\nabove=%d\n", rseq_counters_name(&set, 0),
	       rseq_counters_name(&set, 1) == NULL,
	       rseq_counters_name(&set, SIZE_MAX >> 24) == NULL);
	made = rseq_counters_read(&set, sums, COUNTERS);
	printf("made=%zu\nread=%d\n", made,
	       sums[0] == rseq_counters_sum(&set, 0));
	rseq_counters_add(&set, RSEQ_COUNTERS_MAX, 1);
	rseq_counters_add(&set, (size_t)-1, 1);
	printf("lost=%u\nout=%td\n", set.lost,
	       rseq_counters_sum(&set, RSEQ_COUNTERS_MAX));
	while (rseq_counters_make(&set, NULL) >= 0)
		;
	printf("full=%ld\n", rseq_counters_make(&set, "one more"));
	rseq_counters_fini(&set);
	printf("empty=%td\n", rseq_counters_sum(&set, 3));

	for (uint64_t v = 0; v < 1u << 20; ++v) {
		const unsigned int b = rseq_histogram_bucket(v);
		bad += rseq_histogram_value(b) > v ||
			(b + 1 < RSEQ_HISTOGRAM_BUCKETS &&
			 rseq_histogram_value(b + 1) <= v);
	}
	bad += rseq_histogram_bucket(~0ull) != RSEQ_HISTOGRAM_BUCKETS - 1;
	values = rseq_histogram_read(&histogram, counts);
	printf("bad_buckets=%ld\nvalues=%lld\nexpected_values=%ld\n", bad,
	       (long long)values, 1 + (long)THREADS * ADDS);
	printf("median=%llu\nhighest=%llu\n",
	       (unsigned long long)rseq_histogram_quantile(counts, 0.5),
	       (unsigned long long)rseq_histogram_quantile(counts, 1));
	rseq_histogram_read(&histogram, counts);
	printf("merged=%llu\n", (unsigned long long)(counts[7] % 2));
	rseq_histogram_fini(&histogram);
	return EXIT_SUCCESS;
}
