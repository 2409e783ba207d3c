/* SPDX-License-Identifier: MIT */
/*
 * publish: a thread fills in nodes and commits pointers to them, by each kind
 * of commit; another reads them by acquire loads and holds no guard.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rseq/percpu.h>
#include <rseq/transaction.h>

enum { KINDS = 3 };

struct node {
	long value;
};

static struct slot {
	struct rseq_guard guard;
	struct node *head[KINDS];
	struct node *other;
	long block[4];
} *slots;	/* per-cpu */

static enum rseq_result commit(struct rseq_transaction *t, struct slot *s,
			       int kind, struct node *n)
{
	static const long block[4] = { 1, 2, 3, 4 };

	switch (kind) {
	case 0:
		return rseq_commit(t, &s->head[0], n);
	case 1:
		return rseq_commit_then(t, &s->other, n, &s->head[1], n);
	default:
		return rseq_commit_block(t, s->block, block, sizeof block,
					 &s->head[2], n);
	}
}

static void *publish(void *arg)
{
	for (int kind = 0; kind < KINDS; ++kind) {
		struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
		struct node *n = malloc(sizeof *n);
		struct slot *s;

		if (!n)
			exit(2);
		n->value = kind + 1;
		do {
			const int cpu = rseq_begin(&t);
			if (cpu < 0)
				exit(2);
			s = rseq_percpu_ptr(slots, cpu);
		} while (commit(&t, s, kind, n) != RSEQ_COMMITTED);
	}
	return arg;
}

/* The node that some cpu has, waiting for it. */
static struct node *take(int kind)
{
	for (;;) {
		struct slot *s;

		RSEQ_FOR_EACH_CPU(s, slots) {
			struct node *const n = __atomic_load_n(&s->head[kind],
							       __ATOMIC_ACQUIRE);
			if (n)
				return n;
		}
	}
}

int main(void)
{
	pthread_t thread;
	int read = 0, wrong = 0;

	slots = rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots || pthread_create(&thread, NULL, publish, NULL))
		return 2;
	for (int kind = 0; kind < KINDS; ++kind, ++read) {
		struct node *const n = take(kind);
		wrong += n->value != kind + 1;
		free(n);
	}
	pthread_join(thread, NULL);
	printf("read=%d\nwrong=%d\n", read, wrong);
	return EXIT_SUCCESS;
}
