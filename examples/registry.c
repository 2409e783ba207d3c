/* SPDX-License-Identifier: MIT */
/*
 * The statistics registry of a server: modules name their counters when they
 * start, threads add to them, and a page of text exports them all, in the form
 * that scrapers read.
 *
 *	cc -o registry registry.c -lrseq -lpthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rseq/counters.h>

enum { MODULES = 40, THREADS = 4, ROUNDS = 20000 };

static struct rseq_counters registry;

struct module {
	long hits, misses;
} modules[MODULES];

static int start(struct module *m, int number)
{
	char name[64];

	snprintf(name, sizeof name, "cache_hits_total{module=\"%d\"}", number);
	m->hits = rseq_counters_make(&registry, name);
	snprintf(name, sizeof name, "cache_misses_total{module=\"%d\"}",
		 number);
	m->misses = rseq_counters_make(&registry, name);
	return m->hits < 0 || m->misses < 0;
}

static void *work(void *arg)
{
	for (int i = 0; i < ROUNDS; ++i)
		for (int k = 0; k < MODULES; ++k)
			rseq_counters_add(&registry, (size_t)(i % 10 ?
					  modules[k].hits : modules[k].misses),
					  1);
	return arg;
}

static void export(FILE *to)
{
	static intptr_t sums[2 * MODULES];
	const size_t made = rseq_counters_read(&registry, sums, 2 * MODULES);

	for (size_t i = 0; i < made && i < 2 * MODULES; ++i)
		fprintf(to, "%s %td\n", rseq_counters_name(&registry, i),
			sums[i]);
}

int main(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < MODULES; ++i)
		if (start(&modules[i], i))
			return EXIT_FAILURE;
	for (int i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, NULL))
			return EXIT_FAILURE;
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	export(stdout);
	rseq_counters_fini(&registry);
	return EXIT_SUCCESS;
}
