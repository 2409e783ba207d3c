/* SPDX-License-Identifier: MIT */
/*
 * The smallest transaction: push a node to this cpu's list.  The body is plain
 * C that may be stepped through; rseq_debug(7) does so.
 *
 *	cc -o transaction transaction.c -lrseq
 */
#include <stdio.h>
#include <stdlib.h>

#include <rseq/rseq.h>

struct node {
	struct node *next;
};

/* Of each cpu: the list and what guards it. */
struct slot {
	struct rseq_guard guard;
	struct node *head;
};

static struct slot *slots;	/* per-cpu */

static __attribute__((__noinline__)) int push_one(struct node *n)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	struct slot *slot;
	int cpu;

	do {
		cpu = rseq_begin(&t);
		if (cpu < 0)
			return cpu;
		slot = rseq_percpu_ptr(slots, cpu);
		n->next = __atomic_load_n(&slot->head, __ATOMIC_RELAXED);
	} while (rseq_commit(&t, &slot->head, n) != RSEQ_COMMITTED);
	return cpu;
}

int main(void)
{
	static struct node node;
	int cpu;

	slots = rseq_percpu_alloc(sizeof *slots, 0);
	if (!slots)
		return EXIT_FAILURE;
	cpu = push_one(&node);
	if (cpu < 0 || rseq_percpu_ptr(slots, cpu)->head != &node)
		return EXIT_FAILURE;
	puts("pushed");
	return EXIT_SUCCESS;
}
