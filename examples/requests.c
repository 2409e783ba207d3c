/* SPDX-License-Identifier: MIT */
/*
 * Counters of a server: threads count requests and how long they took, and a
 * reporter prints the rates now and then, from which nothing is lost.
 *
 *	cc -o requests requests.c -lrseq -lpthread
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rseq/counters.h>
#include <rseq/histogram.h>

enum { THREADS = 4, REQUESTS = 200000, KINDS = 3 };

static const char *const kind[KINDS] = { "get", "put", "delete" };
static struct rseq_counters requests;	/* these need no init */
static struct rseq_histogram latency;	/* nanoseconds */
static intptr_t reported[KINDS];
static int done;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *serve(void *arg)
{
	unsigned int random = (unsigned int)(size_t)arg;

	for (int i = 0; i < REQUESTS; ++i) {
		const uint64_t begin = now();

		random = random * 1664525 + 1013904223;
		rseq_counters_add(&requests, (random >> 16) % KINDS, 1);
		rseq_histogram_add(&latency, now() - begin);
	}
	return NULL;
}

static void report(void)
{
	for (size_t i = 0; i < KINDS; ++i)
		reported[i] += rseq_counters_take(&requests, i);
}

static void *reporter(void *arg)
{
	const struct timespec pause = { 0, 1000000 };

	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		report();
		nanosleep(&pause, NULL);
	}
	return arg;
}

int main(void)
{
	static uint64_t counts[RSEQ_HISTOGRAM_BUCKETS];
	pthread_t thread[THREADS], reports;
	intptr_t all = 0;

	if (pthread_create(&reports, NULL, reporter, NULL))
		return EXIT_FAILURE;
	for (size_t i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, serve, (void *)i))
			return EXIT_FAILURE;
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	pthread_join(reports, NULL);
	report();
	for (int i = 0; i < KINDS; ++i) {
		printf("%s=%td\n", kind[i], reported[i]);
		all += reported[i];
	}
	printf("all=%td\nmeasured=%llu\n", all, (unsigned long long)
	       rseq_histogram_read(&latency, counts));
	fprintf(stderr, "median %llu ns, 99.9 %%: %llu ns\n",
		(unsigned long long)rseq_histogram_quantile(counts, 0.5),
		(unsigned long long)rseq_histogram_quantile(counts, 0.999));
	return all == (intptr_t)THREADS * REQUESTS ?
		EXIT_SUCCESS : EXIT_FAILURE;
}
