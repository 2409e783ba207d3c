/* SPDX-License-Identifier: MIT */
/* Threads that count, whether rseq is there or not; what librseq says. */
#include "area.h"
#include "info.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 50000, COUNTERS = 5 };

static struct rseq_counter counter;

static void *count(void *unused)
{
	for (int n = 0; n < ROUNDS; ++n)
		rseq_counter_add(&counter, (size_t)n % COUNTERS, n % 7 - 1);
	return unused;
}

/* How much of counter i is in the row of sections on all cpus. */
static intptr_t row_sum(size_t i)
{
	intptr_t sum = 0, *copy;

	RSEQ_FOR_EACH_CPU(copy, counter.words)
		sum += copy[i];
	return sum;
}

int main(void)
{
	pthread_t t[THREADS];
	intptr_t expected[COUNTERS] = {0}, sections = 0, slow = 0;
	int differ = 0;

	tell("main");
	say_info("info");
	printf("init=%d\n", rseq_counter_init(&counter, COUNTERS));
	for (int i = 0; i < THREADS; ++i)
		pthread_create(&t[i], NULL, count, NULL);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(t[i], NULL);
	for (int n = 0; n < ROUNDS; ++n)
		expected[n % COUNTERS] += THREADS * (n % 7 - 1);
	for (size_t i = 0; i < COUNTERS; ++i) {
		differ += rseq_counter_sum(&counter, i) != expected[i];
		sections += row_sum(i);
		slow += rseq_counter_sum(&counter, i) - row_sum(i);
	}
	printf("differ=%d\nsections=%td\nslow=%td\n", differ, sections, slow);
	rseq_counter_fini(&counter);
	return 0;
}
