/* SPDX-License-Identifier: MIT */
/*
 * sanitized KIND: a mistake that a sanitizer has to see through sections, or,
 * for kinds that begin with right, something that it must not complain of.
 */
#include "cpus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rseq/rseq.h>

static intptr_t *words;	/* per-cpu */
static long data;
static int step;	/* relaxed: it orders nothing */

/* ---- memory that is no more ---- */

static int freed(void)
{
	intptr_t *volatile v = malloc(sizeof *v);

	*v = 0;
	free(v);
	return rseq_add(v, 1, rseq_this_cpu());
}

static int freed_block(void)
{
	char *volatile dst = malloc(64);
	char src[64] = "";
	struct rseq_guard *guard = rseq_percpu_alloc(sizeof *guard, 0);
	struct rseq_transaction t = RSEQ_TRANSACTION(guard);
	intptr_t v = 0;

	free(dst);
	return rseq_begin(&t) < 0 ? 0 :
		(int)rseq_commit_block(&t, dst, src, sizeof src, &v, 1);
}

static int beyond(void)
{
	intptr_t *volatile v = malloc(4 * sizeof *v);

	return rseq_add(v + 4, 1, rseq_this_cpu());
}

/* ---- threads ---- */

static void wait_for(int n)
{
	while (__atomic_load_n(&step, __ATOMIC_RELAXED) < n)
		sched_yield();
}

static void done(int n)
{
	__atomic_store_n(&step, n, __ATOMIC_RELAXED);
}

/* The word of the first cpu, or of the second. */
static void on_cpu(unsigned int nth)
{
	run_on(0, nth);
}

static void add(void)
{
	while (rseq_this_cpu_add(words, 1) == RSEQ_RESTARTED)
		;
}

static void *write_and_add(void *unused)
{
	on_cpu(0);
	data = 1;
	add();
	done(1);
	return unused;
}

/* What another cpu's word, or an add, says is no reason to read. */
static void *add_and_read(void *unused)
{
	intptr_t old;

	wait_for(1);
	on_cpu(1);
	while (rseq_this_cpu_fetch_add(words, 1, &old) == RSEQ_RESTARTED)
		;
	printf("data=%ld\n", data);
	return unused;
}

static void *fail_and_read(void *unused)
{
	intptr_t *const v = rseq_percpu_ptr(words, 0);

	wait_for(1);
	on_cpu(0);
	printf("result=%d\n", rseq_compare_store(v, 77, 78, rseq_this_cpu()));
	printf("data=%ld\n", data);
	return unused;
}

/* A transaction hands over what was written before it. */
static struct slot {
	struct rseq_guard guard;
	long *message;
} *slots;	/* per-cpu */

static void *send(void *unused)
{
	on_cpu(0);
	data = 1;
	for (;;) {
		struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
		const int cpu = rseq_begin(&t);
		if (cpu >= 0 && rseq_commit(&t, &rseq_percpu_ptr(slots, cpu)->
					    message, &data) == RSEQ_COMMITTED)
			return unused;
	}
}

static void *receive(void *unused)
{
	const struct slot *const s = rseq_percpu_ptr(slots, 0);
	long *message;

	while (!(message = __atomic_load_n(&s->message, __ATOMIC_ACQUIRE)))
		sched_yield();
	printf("data=%ld\n", *message);
	return unused;
}

static int both(void *(*a)(void *), void *(*b)(void *))
{
	pthread_t t[2];

	pthread_create(&t[0], NULL, a, NULL);
	pthread_create(&t[1], NULL, b, NULL);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	return 0;
}

/* ---- results ---- */

static int results(void)
{
	intptr_t v = 5, old;
	void *head = &v, *node;

	while (rseq_fetch_add(&v, 1, &old, rseq_this_cpu()) == RSEQ_RESTARTED)
		;
	if (old == 5)
		printf("old=%td\n", old);
	while (rseq_exchange(&head, NULL, &node, rseq_this_cpu()) ==
	       RSEQ_RESTARTED)
		;
	return node != &v;
}

int main(int argc, char **argv)
{
	const char *const kind = argc > 1 ? argv[1] : "";

	words = rseq_percpu_alloc(sizeof *words, 0);
	slots = rseq_percpu_alloc(sizeof *slots, 0);
	if (!words || !slots || rseq_this_cpu().n < 0)
		return 77;
	if (!strcmp(kind, "freed"))
		return freed();
	if (!strcmp(kind, "freed_block"))
		return freed_block();
	if (!strcmp(kind, "beyond"))
		return beyond();
	if (!strcmp(kind, "other_cpu"))
		return both(write_and_add, add_and_read);
	if (!strcmp(kind, "different"))
		return both(write_and_add, fail_and_read);
	if (!strcmp(kind, "right_results"))
		return results();
	if (!strcmp(kind, "right_transaction"))
		return both(send, receive);
	return 2;
}
