/* SPDX-License-Identifier: MIT */
/*
 * debugged [THREADS]: for a debugger to watch.  On one cpu, push a node, set a
 * word and count to ten, each by a section in a function of its own, while so
 * many threads count too.  At the end the nodes are counted, so that one is
 * seen to be lost that the debugger has pushed, as another thread might.
 */
#include "cpus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rseq/rseq.h>

enum { THREADS = 8 };

struct node {
	struct node *next;
};

struct slot {
	struct node *head;
	intptr_t count;
};

struct slot *slots, *here;	/* per-cpu, and this cpu's */
struct node own, other;
unsigned int cpu;
static intptr_t word;
static int stop;

__attribute__((__noinline__)) enum rseq_result push(struct node *n)
{
	enum rseq_result result;

	do
		result = rseq_this_cpu_list_push(&slots->head, n, &n->next);
	while (result < 0);
	return result;
}

/* After a thread, if one is given, which runs this too. */
__attribute__((__noinline__)) enum rseq_result count(const pthread_t *after)
{
	enum rseq_result result;

	if (after) {
		__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
		pthread_join(*after, NULL);
	}
	do
		result = rseq_this_cpu_add(&slots->count, 1);
	while (result < 0);
	return result;
}

/* If the thread is not disturbed meanwhile. */
__attribute__((__noinline__)) enum rseq_result set(intptr_t *v, intptr_t to)
{
	enum rseq_result result;

	do
		result = rseq_store_undisturbed(rseq_event(), v, to);
	while (result < 0);
	return result;
}

/* What a debugger can call. */
__attribute__((__noinline__, __used__)) int twice(int n)
{
	return 2 * n;
}

static void *work(void *counted)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		*(intptr_t *)counted += count(NULL) == RSEQ_COMMITTED;
	return NULL;
}

static void stay_on_one_cpu(void)
{
	count_cpus(&cpu);
	run_on(0, cpu);
}

int main(int argc, char **argv)
{
	const int threads = argc > 1 ? atoi(argv[1]) : 0;
	intptr_t counted[THREADS + 1] = {0}, lost = 0;
	pthread_t thread[THREADS];
	int nodes = 0;

	stay_on_one_cpu();
	slots = (struct slot *)rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots)
		return 1;
	here = rseq_percpu_ptr(slots, cpu);
	for (int i = 0; i < threads; ++i)
		pthread_create(&thread[i], NULL, work, &counted[i]);
	(void)push(&own);
	(void)set(&word, 42);
	for (int i = 1; i < 10; ++i)
		counted[THREADS] += count(NULL) == RSEQ_COMMITTED;
	counted[THREADS] += count(threads ? thread : NULL) == RSEQ_COMMITTED;
	for (int i = 1; i < threads; ++i)
		pthread_join(thread[i], NULL);

	for (const struct node *n = here->head; n; n = n->next)
		++nodes;
	for (int i = 0; i <= THREADS; ++i)
		lost += counted[i];
	lost -= here->count;
	printf("\ncpu=%u\nnodes=%d\nword=%td\ncount=%td\nlost=%td\n", cpu,
	       nodes, word, here->count, lost);
	return 0;
}
