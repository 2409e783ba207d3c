/* SPDX-License-Identifier: MIT */
/*
 * Guards before any constructor of the usual priorities has run, librseq's
 * included if it had one: one thread commits, the other locks and adds.
 */
#include "inject.h"	/* so that a lock mostly finds a section half done */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cpus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rseq/rseq.h>

enum { LOCKS = 20000, SECONDS = 20 };	/* whichever is over first */

static struct slot {
	struct rseq_guard guard;
	intptr_t value;
} *slots;	/* per-cpu */

static intptr_t committed, by_hand, lost;
static int errors, stop, threads;

static void *commit(void *cpu)
{
	run_on_nth(0);
	*(int *)cpu = sched_getcpu();
	__atomic_store_n(&threads, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
		const int here = rseq_begin(&t);
		struct slot *const s = rseq_percpu_ptr(slots, here);
		intptr_t old;
		if (here < 0) {
			++errors;
			continue;
		}
		old = __atomic_load_n(&s->value, __ATOMIC_RELAXED);
		committed += rseq_commit(&t, &s->value, old + 1) ==
			RSEQ_COMMITTED;
	}
	return NULL;
}

__attribute__((__constructor__(101))) static void early(void)
{
	unsigned long all[cpu_words()];
	unsigned int highest;
	pthread_t t;
	struct slot *s;
	int cpu = 0;

	allowed_cpus(all);
	slots = rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots || count_cpus(&highest) < 2)
		return;
	pthread_create(&t, NULL, commit, &cpu);
	run_on_nth(1);
	while (!__atomic_load_n(&threads, __ATOMIC_ACQUIRE))
		sched_yield();
	const time_t begun = time(NULL);
	for (int n = 0; n < LOCKS && time(NULL) - begun < SECONDS; ++n) {
		struct rseq_hold hold;
		intptr_t old;
		if (rseq_guard_lock(&slots->guard, (unsigned int)cpu, &hold)) {
			++errors;
			continue;
		}
		s = rseq_percpu_ptr(slots, cpu);
		old = __atomic_load_n(&s->value, __ATOMIC_RELAXED);
		for (volatile int i = 0; i < 300; ++i)
			;
		__atomic_store_n(&s->value, old + 1, __ATOMIC_RELAXED);
		++by_hand;
		rseq_guard_unlock(&hold);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	allow_cpus(0, all);
	lost = committed + by_hand;
	RSEQ_FOR_EACH_CPU(s, slots)
		lost -= s->value;
}

int main(void)
{
	if (!by_hand)
		return 77;
	printf("committed=%td\nby_hand=%td\nlost=%td\nerrors=%d\n", committed,
	       by_hand, lost, errors);
	return 0;
}
